// What late.tsx fetches, as one file.
export { Actions } from "./actions";
export { AskRobot, Escalate, FindRooms, NewRoom } from "./dialogs";
export { Desk } from "./desk";
export { People } from "./people";
export { Search } from "./search";
