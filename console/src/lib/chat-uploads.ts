// Files on their way into a room: announced over the socket, sent by PUT with progress, gone on
// with where they stopped when the network comes back, then held until the server has looked at
// them. Their message comes by itself when they are released.
import { signal } from "@preact/signals";
import { bearerToken, request } from "./api";
import { ChatError, type ErrorBody, type Message } from "./chat-types";

export const FILE_BYTES_MAX = 25 * 1024 * 1024;
const AGAIN_MS = 2_000;
const AGAIN_MAX_MS = 30_000;
const BY_NAME: Record<string, string> = {
  txt: "text/plain", md: "text/markdown", csv: "text/csv", pdf: "application/pdf", png: "image/png",
  jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif", webp: "image/webp", zip: "application/zip",
  json: "application/json", log: "text/plain",
};

export interface Upload {
  key: string;
  roomId: string;
  name: string;
  size: number;
  sent: number;
  state: "sending" | "waiting" | "checking" | "refused";
  why: string;
}

interface Job {
  file: File;
  fileId: string | null;
  url: string;
  xhr: XMLHttpRequest | null;
  timer: number | undefined;
  attempts: number;
}

/** What the file says that it is; else by its name. */
export function mimeOf(name: string, type: string): string {
  const ending = /\.([a-z0-9]+)$/i.exec(name)?.[1]?.toLowerCase() ?? "";
  return type.split(";")[0] || (BY_NAME[ending] ?? "application/octet-stream");
}

type Ask = (event: string, data: object) => Promise<Record<string, unknown>>;

export function createUploads(ask: Ask) {
  const list = signal<readonly Upload[]>([]);
  const jobs = new Map<string, Job>();
  let keys = 0;

  function set(key: string, changes: Partial<Upload>): void {
    list.value = list.peek().map((u) => (u.key === key ? { ...u, ...changes } : u));
  }

  function drop(key: string): void {
    const job = jobs.get(key);
    window.clearTimeout(job?.timer);
    jobs.delete(key);
    job?.xhr?.abort();
    list.value = list.peek().filter((u) => u.key !== key);
  }

  /** One PUT of what the server does not have yet; true when it has all. */
  function put(key: string, job: Job, from: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const xhr = new XMLHttpRequest();
      const { size } = job.file;
      job.xhr = xhr;
      xhr.open("PUT", job.url);
      xhr.setRequestHeader("Content-Type", "application/octet-stream");
      const token = bearerToken();
      if (token !== null) {
        xhr.setRequestHeader("Authorization", `Bearer ${token}`);
      }
      if (from > 0) {
        xhr.setRequestHeader("Content-Range", `bytes ${from}-${size - 1}/${size}`);
      }
      xhr.upload.onprogress = (e) => set(key, { sent: from + e.loaded });
      xhr.onload = () => {
        if (xhr.status >= 200 && xhr.status < 300) {
          resolve();
          return;
        }
        let said: { code?: string; error?: string } = {};
        try {
          said = JSON.parse(xhr.responseText) as typeof said;
        } catch {
          // the status says enough
        }
        reject(new ChatError({
          code: said.code ?? String(xhr.status), message: said.error ?? `The server answered ${xhr.status}.`,
          recoverable: xhr.status === 429 || xhr.status >= 500 || xhr.status === 409,
        }));
      };
      xhr.onerror = () => reject(new Error("lost"));
      xhr.onabort = () => reject(new Error("aborted"));
      xhr.send(from > 0 ? job.file.slice(from) : job.file);
    });
  }

  async function turn(key: string): Promise<void> {
    const job = jobs.get(key);
    const upload = list.peek().find((u) => u.key === key);
    if (!job || !upload || job.xhr !== null) {
      return;
    }
    set(key, { state: "sending", why: "" });
    try {
      if (job.fileId === null) {
        const { name, size } = job.file;
        const said = await ask("chat:file:upload", {
          roomId: upload.roomId, name, size, mime: mimeOf(name, job.file.type),
        });
        job.fileId = String(said["fileId"]);
        job.url = String(said["uploadUrl"]);
        await put(key, job, 0);
      } else {
        const stored = await request<{ received?: number }>("GET", `/api/v1/chat/files/${job.fileId}`);
        const from = stored.received ?? 0;
        set(key, { sent: from });
        if (from < job.file.size) {
          await put(key, job, from);
        }
      }
      job.xhr = null;
      set(key, { state: "checking", sent: job.file.size });
    } catch (e) {
      job.xhr = null;
      if (!jobs.has(key)) {
        return; // it was cancelled
      }
      const status = (e as { status?: number }).status;
      if ((e instanceof ChatError && !e.recoverable) || (status !== undefined && status >= 400 && status < 500 && status !== 429)) {
        set(key, { state: "refused", why: (e as Error).message });
        jobs.delete(key);
      } else {
        set(key, { state: "waiting" });
        const ms = Math.min(AGAIN_MAX_MS, AGAIN_MS * 2 ** Math.min(job.attempts++, 8));
        job.timer = window.setTimeout(() => void turn(key), ms);
      }
    }
  }

  const of = (fileId: unknown) => [...jobs].find(([, job]) => job.fileId === fileId)?.[0];

  return {
    list,
    add(roomId: string, file: File): void {
      const key = `u${++keys}`;
      const upload: Upload = { key, roomId, name: file.name, size: file.size, sent: 0, state: "sending", why: "" };
      if (file.size === 0 || file.size > FILE_BYTES_MAX) {
        list.value = [...list.peek(), {
          ...upload, state: "refused", why: file.size === 0 ? "The file is empty." : "Files may have up to 25 MiB.",
        }];
        return;
      }
      jobs.set(key, { file, fileId: null, url: "", xhr: null, timer: undefined, attempts: 0 });
      list.value = [...list.peek(), upload];
      void turn(key);
    },
    cancel: drop,
    /** The network is back: what waits goes on at once. */
    resume(): void {
      for (const u of list.peek()) {
        if (u.state === "waiting") {
          window.clearTimeout(jobs.get(u.key)?.timer);
          void turn(u.key);
        }
      }
    },
    told(m: Message): void {
      const key = m.file ? of(m.file.fileId) : undefined;
      if (key !== undefined) {
        drop(key);
      }
    },
    released(fileId: string): void {
      const key = of(fileId);
      if (key !== undefined) {
        drop(key);
      }
    },
    /** A refusal that came later: the scan found something. False: it is of no file here. */
    blocked(e: ErrorBody): boolean {
      const key = of(e.details?.["fileId"]);
      if (key === undefined) {
        return false;
      }
      jobs.delete(key);
      set(key, { state: "refused", why: e.message });
      return true;
    },
    close(): void {
      jobs.forEach((job) => {
        window.clearTimeout(job.timer);
        job.xhr?.abort();
      });
      jobs.clear();
    },
  };
}

export type Uploads = ReturnType<typeof createUploads>;
