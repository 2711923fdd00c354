// What the server says of chat, as far as the console reads it.
export type RoomType = "direct" | "group" | "public" | "support";
export type Role = "member" | "moderator" | "owner";
export type UserType = "employee" | "guest" | "supervisor";
export type Delivery = "streaming" | "batch-delay" | "delivered";
export type Level = "T1" | "T2" | "T3" | "manager";
export type Outcome = "resolved" | "unresolved" | "guest-disengaged";

export interface Member {
  userId: string;
  userType: UserType;
  role: Role;
  kind?: string;
  name: string;
  isOnline: boolean;
  joinedAt?: string;
  mutedUntil?: string | null;
  /** For whom it concerns: who is muted, and who moderates. */
  muteReason?: string | undefined;
  lastReadSeq?: number;
}

export interface ChatRoom {
  id: string;
  name: string;
  type: RoomType;
  settings?: Record<string, unknown>;
  members?: Member[];
  memberCount?: number;
  lastSeq: number;
  unread: number;
  /** The caller may come in, and has not yet. */
  invited?: boolean;
  createdAt?: string;
  updatedAt?: string;
  version?: number;
}

export interface Reaction {
  emoji: string;
  count: number;
  userIds: string[];
}

export interface MessageFile {
  fileId: string;
  name: string;
  size: number;
  mime: string;
  url: string;
}

export interface Message {
  id: string;
  type: "chat" | "robot" | "system" | "file" | "image" | "graph";
  roomId: string;
  senderId: string | null;
  content: unknown;
  timestamp: string;
  deliveryStatus: Delivery;
  metadata?: Record<string, unknown>;
  seq: number;
  clientId?: string;
  replyTo?: string;
  editedAt?: string;
  deleted?: boolean;
  reactions?: Reaction[];
  file?: MessageFile;
}

export interface Joined {
  roomId: string;
  userId: string;
  userType: UserType;
  members?: Member[];
  lastSeq?: number;
  unread?: number;
  name?: string;
  type?: RoomType;
  role?: Role;
  memberCount?: number;
  watching?: boolean;
}

export interface Escalation {
  id: string;
  roomId: string;
  reason: string;
  level: Level;
  status: "waiting" | "taken" | "concluded";
  createdBy: string | null;
  assignedTo?: string | null;
  dueAt: string | null;
  createdAt: string;
  takenAt?: string;
  concludedAt?: string;
  outcome?: Outcome;
}

export interface RobotChunk {
  jobId: string;
  roomId: string;
  robotId: string;
  index: number;
  chunk: string;
  final: boolean;
  messageId?: string;
}

export interface Notification {
  level: "info" | "warning" | "error";
  code: string;
  message: string;
  roomId?: string;
  userId?: string;
  until?: string;
  reason?: string;
}

export interface ErrorBody {
  code: string;
  message: string;
  details?: Record<string, unknown>;
  recoverable?: boolean;
}

/** A refusal in the chat's own words. */
export class ChatError extends Error {
  readonly code: string;
  readonly recoverable: boolean;
  /** How long to wait, when the server said so. */
  readonly retryMs: number | null;

  constructor(body: Partial<ErrorBody>) {
    super(body.message ?? "The server refused it.");
    this.code = body.code ?? "SERVER_ERROR";
    this.recoverable = body.recoverable === true;
    const ms = body.details?.["retryAfterMs"];
    this.retryMs = typeof ms === "number" ? ms : null;
  }
}

/** The argument of an event: `data` of the envelope, or the argument itself. */
export function unwrap(argument: unknown): unknown {
  if (typeof argument === "object" && argument !== null && "version" in argument && "data" in argument) {
    return (argument as { data: unknown }).data;
  }
  return argument;
}

/** An acknowledgement: its members, or the refusal that it says. */
export function answer(argument: unknown): Record<string, unknown> {
  const said = (typeof argument === "object" && argument !== null ? argument : {}) as Record<string, unknown>;
  if (said["ok"] !== true) {
    throw new ChatError((said["error"] ?? {}) as Partial<ErrorBody>);
  }
  return said;
}

export const envelope = (event: string, data: object) => ({ event, data, version: "1.0" });

/** What a message says, as text: for previews, quotes and readers. */
export function textOf(m: Pick<Message, "type" | "content" | "deleted" | "file">): string {
  if (m.deleted) {
    return "Message deleted";
  }
  const { content } = m;
  if (typeof content === "string") {
    return content !== "" ? content : (m.file?.name ?? "");
  }
  if (typeof content === "object" && content !== null) {
    const { text, title, name } = content as Record<string, unknown>;
    for (const words of [text, title, name, m.file?.name]) {
      if (typeof words === "string" && words !== "") {
        return words;
      }
    }
  }
  return m.file?.name ?? (m.type === "graph" ? "Graph" : "");
}
