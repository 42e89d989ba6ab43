/** One line of JSON for each inference request, built by hand: at tens of thousands a second a logger would show. */

export interface RequestLine {
  /** Epoch milliseconds of its end. */
  readonly atMs: number;
  readonly requestId: string;
  readonly endpoint: string;
  readonly variant: string;
  readonly version: string;
  /** `ok`, an error code or `cancelled`; or a protocol's number. */
  readonly status: number | string;
  readonly rows: number;
  readonly batchRows: number;
  /** How many rode in its batch, itself included; written only where it rode. */
  readonly batchRequests?: number | undefined;
  /** It had more rows than a batch holds and ran as so many; written only then. What is told of its batch is told of the first. */
  readonly parts?: number | undefined;
  /** How many rows waited already when it came. */
  readonly rowsAhead?: number | undefined;
  /** Of its wait: how long it was kept for company. The rest it waited for somebody to be free. */
  readonly batchWaitMs?: number | undefined;
  /** Why a function ran it, where instances are there too: `predicted`, `rescue`, `capacity`. */
  readonly overflow?: string | null;
  readonly closeReason: string;
  /** Who ran it: `instance:local.1`, `function:2048`; written only where somebody did. */
  readonly executor?: string | undefined;
  readonly queueMs: number;
  readonly computeMs: number;
  readonly encodeMs: number;
  readonly totalMs: number;
  /** Of it: how long its body came, where it was refused while or after that did; the times of all others begin when it is here. */
  readonly bodyMs?: number | undefined;
  readonly costUsd: number;
  /** Its batch was billed with the start of a function's environment; written only where that is so. */
  readonly coldStart?: boolean | undefined;
  /** It stands for so many plain ones, itself included, of which the others have no line; written only where there are others. */
  readonly oneOf?: number | undefined;
  readonly error?: string | undefined;
}

/** With its line end. Whatever the client put into a text, it stays one line. */
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
  }${line.coldStart === true ? ',"coldStart":true' : ''}${line.oneOf === undefined ? '' : `,"oneOf":${line.oneOf}`}${line.error === undefined ? '' : `,"error":${JSON.stringify(line.error)}`}}\n`;
}

/** Names and reasons come again and again. */
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

/** Of thousandths: `.03`, and nothing for none. To print a number of that many digits takes five times as long. */
const fractions = Array.from({ length: 1000 }, (_, i) => (i === 0 ? '' : `.${String(i).padStart(3, '0').replace(/0+$/, '')}`));
const plainMsMax = 1e9;

/** To the microsecond: more digits only cost disk. */
function milliseconds(value: number): number | string | null {
  if (!(value >= 0 && value < plainMsMax)) return number(Math.round(value * 1000) / 1000);
  const microseconds = Math.round(value * 1000);
  const whole = Math.floor(microseconds / 1000);
  return `${whole}${fractions[microseconds - whole * 1000]}`;
}

/** Of those who rode in one batch most cost the same. */
let [lastUsd, lastText] = [0, '0'];

/** Four digits: receipts are too small for a fixed unit, and the bill is added up elsewhere. */
function dollars(value: number): string {
  if (value === lastUsd) return lastText;
  if (!Number.isFinite(value)) return 'null';
  [lastUsd, lastText] = [value, value === 0 ? '0' : value.toPrecision(4)];
  return lastText;
}

/** JSON knows no NaN and no infinity. */
function number(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
