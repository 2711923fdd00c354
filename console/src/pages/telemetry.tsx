// What a device measures: the newest value of each sensor, and the last hour of one of them. A
// device that has sent nothing has no such section.
import { useEffect, useMemo, useState } from "preact/hooks";
import { ApiError, isAbort, query, request, requestIfChanged } from "../lib/api";
import { now, poll } from "../lib/clock";
import { ago, measured, moment } from "../lib/format";
import { HOUR } from "../lib/ranges";
import { fromSeries, type Sample } from "../lib/samples";
import { time, type Reading, type TelemetrySeries } from "../lib/types";
import { Failure } from "../ui/bits";
import { Chart, type Line } from "../ui/chart";

const EVERY_MS = 3000;
const HOUR_EVERY_MS = 15_000;
const POINTS = 240; // of the hour: a quarter of a minute each

const LINES: Line[] = [{ label: "Value", color: "--c-down", pick: (s) => s.value }];

/** As many digits as a chart has room for. */
const rounded = (v: number) => (Math.abs(v) >= 1e5 ? Math.round(v) : Number(v.toPrecision(6)));

/** A margin above and below, so that a steady value is a line in the middle. */
function around(min: number, max: number): [number, number] {
  const pad = (max - min) * 0.08 || Math.max(Math.abs(max) * 0.05, 0.5);
  return [min - pad, max + pad];
}

export interface Readings {
  rows: Reading[] | null; // null: not known yet
  error: ApiError | null;
}

export function useReadings(id: string): Readings {
  const [rows, setRows] = useState<Reading[] | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  useEffect(() => {
    let etag: string | null = null;
    setRows(null);
    return poll(EVERY_MS, async (abort) => {
      try {
        const path = `/api/v1/devices/${id}/telemetry/latest`;
        const reply = await requestIfChanged<Reading[]>("GET", path, undefined, { signal: abort, etag });
        if (reply) {
          setRows(reply.data);
          etag = reply.etag;
        }
        setError(null);
      } catch (e) {
        if (e instanceof ApiError && (e.status === 403 || e.status === 404)) {
          setRows([]); // not for this person
        } else if (!isAbort(e)) {
          setError(e instanceof ApiError ? e : new ApiError(0, "UNKNOWN", String(e)));
          setRows((known) => known ?? []);
        }
      }
    });
  }, [id]);
  return { rows, error };
}

interface Past {
  sensor: string;
  to: number;
  all: TelemetrySeries[];
}

function useHour(id: string, sensor: string | null) {
  const [past, setPast] = useState<Past | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  useEffect(() => {
    setPast(null);
    setError(null);
    if (sensor === null) {
      return;
    }
    return poll(HOUR_EVERY_MS, async (abort) => {
      const to = Date.now();
      try {
        const asked = query({ sensor, from: to - HOUR, to, points: POINTS });
        const all = await request<TelemetrySeries[]>(
          "GET", `/api/v1/devices/${id}/telemetry${asked}`, undefined, { signal: abort },
        );
        setPast({ sensor, to, all });
        setError(null);
      } catch (e) {
        if (!isAbort(e)) {
          setError(e instanceof ApiError ? e : new ApiError(0, "UNKNOWN", String(e)));
        }
      }
    });
  }, [id, sensor]);
  return { past, error };
}

function Hour({ id, reading }: { id: string; reading: Reading }) {
  const { past, error } = useHour(id, reading.sensorType);
  const { unit } = reading;
  const newest = time(reading.timestamp) ?? 0;
  const series = useMemo<Sample[]>(() => {
    const kept = past?.all.find((s) => s.unit === unit);
    return fromSeries(kept?.points ?? [], kept?.resolution_ms ?? HOUR / POINTS,
      { ts: newest, value: reading.value });
  }, [past, newest, reading.value, unit]);
  const to = Math.max(past?.to ?? 0, Math.min(newest, now.value), now.value);
  return (
    <div class="hour">
      {error && <Failure error={error} what="The last hour could not be loaded." />}
      <Chart
        title={reading.sensorType} lines={LINES} series={series} from={to - HOUR} to={to}
        format={(v) => measured(v == null ? v : rounded(v), unit)} axis={(v) => String(Number(v.toPrecision(5)))} range={around}
        bands={[]} picked={null} loading={past === null && error === null} group="telemetry" note="last hour"
      />
    </div>
  );
}

export function Telemetry({ id, readings: { rows, error } }: { id: string; readings: Readings }) {
  const [chosen, setChosen] = useState<string | null>(null);
  const reading = rows?.find((r) => r.sensorType === chosen) ?? rows?.[0];
  if (!rows || reading === undefined) {
    return null;
  }
  return (
    <section class="telemetry" aria-labelledby="telemetry">
      <div class="panel-head">
        <h2 id="telemetry">Telemetry</h2>
        <p class="when">{rows.length} {rows.length === 1 ? "sensor" : "sensors"}</p>
      </div>
      {error && <Failure error={error} what="Telemetry could not be loaded." />}
      <div class="measures">
        <div class="scroll"><table class="sheet">
          <caption class="sr-only">Telemetry: the newest value of each sensor</caption>
          <thead>
            <tr><th scope="col">Sensor</th><th scope="col" class="right">Value</th><th scope="col" class="right">Measured</th></tr>
          </thead>
          <tbody>
            {rows.map((r) => (
              <tr key={r.sensorType} class={r === reading ? "chosen" : ""}>
                <th scope="row">
                  <button
                    type="button" class="link" aria-pressed={r === reading}
                    onClick={() => setChosen(r.sensorType)}
                  >
                    {r.sensorType}
                  </button>
                </th>
                <td class="right value">{measured(r.value, r.unit)}</td>
                <td class="right when">
                  <time dateTime={r.timestamp} title={moment(time(r.timestamp) ?? 0)}>{ago(time(r.timestamp), now.value)}</time>
                </td>
              </tr>
            ))}
          </tbody>
        </table></div>
        <Hour key={reading.sensorType} id={id} reading={reading} />
      </div>
    </section>
  );
}
