// What the server says, as far as the console reads it. Any member may be missing: an older
// agent or server does not break a page.
export interface User {
  id: string;
  username?: string;
  display_name?: string;
  roles: string[];
  permissions?: string[];
  /** Of a guest: the chat room that it is for. */
  guestOf?: string;
  /** What roles that are bound to a home room permit in it. */
  rooms?: { room_id: number; permissions: string[] }[];
}

export type Connection = "online" | "stale" | "offline";

export interface UsedTotal {
  used: number | null;
  total: number | null;
}

export interface Metrics {
  cpu?: number | null;
  memory?: UsedTotal | null;
  network?: { download: number | null; upload: number | null } | null;
  load?: number | null;
  disk?: UsedTotal | null;
  swapUsed?: number | null;
  temperature?: number | null;
  timestamp?: string;
}

export interface SystemInfo {
  os?: string | null;
  architecture?: string | null;
  uptime?: number | null;
  hostname?: string | null;
  ipAddress?: string | null;
  macAddress?: string | null;
  cpuCores?: number | null;
  agentVersion?: string | null;
}

export interface Process {
  pid: number;
  name: string;
  cpu: number;
  mem: number;
  user?: string | null;
  command?: string | null;
}

export interface Interface {
  name: string;
  mac?: string | null;
  addresses?: string[] | null;
  up?: boolean;
  speedMbps?: number | null;
  rxBytes?: number | null;
  txBytes?: number | null;
  rxErrors?: number | null;
  txErrors?: number | null;
}

export interface Device {
  id: string;
  name: string;
  type: string | null;
  status: string;
  connectionStatus: Connection;
  lastSeen: string | null;
  capabilities?: string[];
  tags?: string[];
  createdAt?: string;
  updatedAt?: string;
  metrics?: Metrics | null;
  system?: SystemInfo | null;
}

export interface HistoryPoint extends Metrics {
  ts: number;
}

export interface History {
  from: number | string;
  to: number | string;
  resolution_ms: number;
  source: "raw" | "1m" | "1h";
  points: HistoryPoint[];
}

export interface ProcessesAt {
  recordedAt: string | number;
  top_processes: Process[];
}

export interface DeviceState extends SystemInfo {
  top_processes?: Process[] | null;
  interfaces?: Interface[] | null;
  recordedAt?: string | number | null;
}

/** TelemetryData: a sensor's value. */
export interface Reading {
  deviceId: string;
  timestamp: string;
  sensorType: string;
  value: number;
  unit: string;
}

export interface TelemetrySeries {
  sensorType: string;
  unit: string;
  resolution_ms: number;
  points: { timestamp: string; value: number; n: number }[];
}

/** What a person calls a room: Home's. */
export interface Room {
  id: number;
  name: string;
  description?: string;
  icon?: string;
  floor?: string;
  sort?: number;
  private?: boolean;
}

export interface Entity {
  entity_id: string;
  name: string;
  room_id: number | null;
  device_id?: string | null;
  capability?: string | null;
  state: string;
  attributes?: Record<string, unknown>;
  last_changed?: string;
  last_updated?: string;
  aliases?: string[];
}

/** entity_state_changed of /ws: new_state null when it is not there any more. */
export interface StateChange {
  entity_id: string;
  old_state: string | null;
  new_state: string | null;
  attributes?: Record<string, unknown>;
  room_id?: number | null;
  last_changed: string;
  last_updated: string;
}

export interface StateRow {
  state: string;
  attributes?: Record<string, unknown>;
  changed_at: string;
}

export interface Scene {
  id: string;
  name: string;
  description?: string;
  items: { entity_id: string; action?: string; state?: string }[];
}

/** What activating a scene did to one entity. */
export interface Outcome {
  entity_id: string;
  ok: boolean;
  error?: { code?: string; message?: string } | string | null;
}

/** RFC 3339 or epoch ms; null when absent or nonsense. */
export function time(value: string | number | null | undefined): number | null {
  if (value === null || value === undefined) {
    return null;
  }
  const ms = typeof value === "number" ? value : Date.parse(value);
  return Number.isFinite(ms) ? ms : null;
}
