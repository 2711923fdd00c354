// The parts of the chat that are not on its first page: fetched when one of them is asked for, or
// when nothing else is to do.
import { lazily } from "../ui/lazy";

const more = () => import("./more");
const late = { small: true };
export const { Lazy: Actions } = lazily(async () => (await more()).Actions, late);
export const { Lazy: NewRoom } = lazily(async () => (await more()).NewRoom, late);
export const { Lazy: FindRooms } = lazily(async () => (await more()).FindRooms, late);
export const { Lazy: Escalate } = lazily(async () => (await more()).Escalate, late);
export const { Lazy: AskRobot } = lazily(async () => (await more()).AskRobot, late);
export const { Lazy: People } = lazily(async () => (await more()).People, late);
export const { Lazy: Search } = lazily(async () => (await more()).Search, late);
export const { Lazy: Desk, load: loadLate } = lazily(async () => (await more()).Desk, late);
