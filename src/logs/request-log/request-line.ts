/** Formats one JSON line per inference request. Built by hand: at tens of thousands a second, a logger would be noticeable. */

/** A finished request. Undefined members are left out of the line. */
export interface RequestLine {
  /** When the request ended, epoch milliseconds. */
  readonly atMs: number;
  readonly requestId: string;
  readonly endpoint: string;
  readonly variant: string;
  readonly version: string;
  /** `ok`, an error code, `cancelled`, or a protocol's status number. */
  readonly status: number | string;
  readonly rows: number;
  readonly batchRows: number;
  /** Number of requests in its batch, including itself; written only if it was dispatched. */
  readonly batchRequests?: number | undefined;
  /** Number of batches if it was split; written only then. Batch members then describe the first batch. */
  readonly parts?: number | undefined;
  /** Rows queued ahead of it on arrival. */
  readonly rowsAhead?: number | undefined;
  /** Part of the wait for which its batch was held open; the rest was waiting for a free executor. */
  readonly batchWaitMs?: number | undefined;
  /** Why a function ran it although there are instances: `predicted`, `rescue`, `capacity`. */
  readonly overflow?: string | null;
  readonly closeReason: string;
  /** The executor: `instance:local.1`, `function:2048`; written only if it ran. */
  readonly executor?: string | undefined;
  readonly queueMs: number;
  readonly computeMs: number;
  readonly encodeMs: number;
  readonly totalMs: number;
  /** Part of the total spent receiving the body of a request that was rejected; other requests are timed from the complete body. */
  readonly bodyMs?: number | undefined;
  readonly costUsd: number;
  /** Its batch was billed with a function cold start; written only then. */
  readonly coldStart?: boolean | undefined;
  /** How a selection answered it; written only then. */
  readonly plan?: PlanLine | undefined;
  /** Number of ordinary requests this line represents, including itself; written only if more than one. */
  readonly oneOf?: number | undefined;
  readonly error?: string | undefined;
}

/** The plan of a request to a selection. */
export interface PlanLine {
  readonly name: string;
  /** Its rung, from 1, and the number of rungs. */
  readonly rung: number;
  readonly of: number;
  readonly first: string;
  readonly second: string | null;
  readonly threshold: number;
  /** Rows that went on to the second model, and those of them on which it failed. */
  readonly wentOn: number;
  readonly failed: number;
  /** The smallest largest score of the first model; null without scores. */
  readonly confidenceMin: number | null;
  /** Waiting rows that could be in time, when the plan was chosen; 0 if the rule did not apply. */
  readonly rowsWaiting: number;
  /** Why no more accurate plan was taken; null on the highest rung. */
  readonly heldBack: { readonly rung: number; readonly request: 'first' | 'last' | 'next'; readonly lateMs: number } | null;
}

/** Includes the line end. Always one line, even if the client sent line breaks. */
export function formatRequestLine(line: RequestLine): string {
  const status = typeof line.status === 'number' ? number(line.status) : quoted(line.status);
  return `{"at":${line.atMs},"request":${quotedId(line.requestId)},"endpoint":${quoted(line.endpoint)},"variant":${quoted(
    line.variant,
  )},"version":${quoted(line.version)},"status":${status},"rows":${line.rows},"batchRows":${line.batchRows},"closeReason":${quoted(
    line.closeReason,
  )}${line.executor === undefined ? '' : `,"executor":${quoted(line.executor)}`},"queueMs":${milliseconds(
    line.queueMs,
  )},"computeMs":${milliseconds(line.computeMs)},"encodeMs":${milliseconds(line.encodeMs)},"totalMs":${milliseconds(
    line.totalMs,
  )}${line.bodyMs === undefined ? '' : `,"bodyMs":${milliseconds(line.bodyMs)}`},"costUsd":${dollars(line.costUsd)}${line.rowsAhead === undefined ? '' : `,"rowsAhead":${line.rowsAhead}`}${
    line.batchRequests === undefined ? '' : `,"batchRequests":${line.batchRequests}`
  }${line.batchWaitMs === undefined ? '' : `,"batchWaitMs":${milliseconds(line.batchWaitMs)}`}${
    line.parts === undefined ? '' : `,"parts":${line.parts}`
  }${
    typeof line.overflow === 'string' ? `,"overflow":${quoted(line.overflow)}` : ''
  }${line.coldStart === true ? ',"coldStart":true' : ''}${line.plan === undefined ? '' : `,"plan":${formatPlan(line.plan)}`}${line.oneOf === undefined ? '' : `,"oneOf":${line.oneOf}`}${line.error === undefined ? '' : `,"error":${JSON.stringify(line.error)}`}}\n`;
}

function formatPlan(plan: PlanLine): string {
  const { name, rung, of, first, second, threshold, wentOn, failed, confidenceMin, rowsWaiting, heldBack } = plan;
  return `{"name":${quoted(name)},"rung":${rung},"of":${of},"first":${quoted(first)},"second":${
    second === null ? 'null' : quoted(second)
  },"threshold":${threshold},"wentOn":${wentOn},"failed":${failed},"confidenceMin":${confidenceMin},"rowsWaiting":${rowsWaiting},"heldBack":${
    heldBack === null ? 'null' : JSON.stringify(heldBack)
  }}`;
}

/** Cache of quoted names and reasons, which repeat. */
const known = new Map<string, string>();
const knownMax = 1000;

function quoted(text: string): string {
  let found = known.get(text);
  if (found !== undefined) return found;
  found = JSON.stringify(text);
  if (known.size < knownMax) known.set(text, found);
  return found;
}

function quotedId(id: string): string {
  return /^[\w.:-]*$/.test(id) ? `"${id}"` : JSON.stringify(id);
}

/** Fractions in thousandths: `.03`, empty for zero. Formatting a number with that many digits takes five times as long. */
const fractions = Array.from({ length: 1000 }, (_, i) => (i === 0 ? '' : `.${String(i).padStart(3, '0').replace(/0+$/, '')}`));
const plainMsMax = 1e9;

/** Rounded to microseconds: more digits only cost disk space. */
function milliseconds(value: number): number | string | null {
  if (!(value >= 0 && value < plainMsMax)) return number(Math.round(value * 1000) / 1000);
  const microseconds = Math.round(value * 1000);
  const whole = Math.floor(microseconds / 1000);
  return `${whole}${fractions[microseconds - whole * 1000]}`;
}

/** Requests of one batch mostly cost the same. */
let [lastUsd, lastText] = [0, '0'];

/** Four significant digits: costs per request are too small for a fixed unit, and bills are computed elsewhere. */
function dollars(value: number): string {
  if (value === lastUsd) return lastText;
  if (!Number.isFinite(value)) return 'null';
  [lastUsd, lastText] = [value, value === 0 ? '0' : value.toPrecision(4)];
  return lastText;
}

/** JSON has no NaN or infinity. */
function number(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
