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
  readonly batchRequests?: number;
  /** How many rows waited already when it came. */
  readonly rowsAhead?: number;
  /** Of its wait: how long it was kept for company. The rest it waited for somebody to be free. */
  readonly batchWaitMs?: number;
  /** Why a function ran it, where instances are there too: `predicted`, `rescue`, `capacity`. */
  readonly overflow?: string | null;
  readonly closeReason: string;
  /** Who ran it: `instance:local.1`, `function:2048`; written only where somebody did. */
  readonly executor?: string;
  readonly queueMs: number;
  readonly computeMs: number;
  readonly encodeMs: number;
  readonly totalMs: number;
  readonly costUsd: number;
  /** Its batch was billed with the start of a function's environment; written only where that is so. */
  readonly coldStart?: boolean;
  readonly error?: string | undefined;
}

/** With its line end. Whatever the client put into a text, it stays one line. */
export function formatRequestLine(line: RequestLine): string {
  return `{"at":${line.atMs},"request":${JSON.stringify(line.requestId)},"endpoint":${JSON.stringify(line.endpoint)},"variant":${JSON.stringify(
    line.variant,
  )},"version":${JSON.stringify(line.version)},"status":${JSON.stringify(line.status)},"rows":${line.rows},"batchRows":${
    line.batchRows
  },"closeReason":${JSON.stringify(line.closeReason)}${
    line.executor === undefined ? '' : `,"executor":${JSON.stringify(line.executor)}`
  },"queueMs":${milliseconds(line.queueMs)},"computeMs":${milliseconds(
    line.computeMs,
  )},"encodeMs":${milliseconds(line.encodeMs)},"totalMs":${milliseconds(line.totalMs)},"costUsd":${dollars(line.costUsd)}${
    line.rowsAhead === undefined ? '' : `,"rowsAhead":${line.rowsAhead}`
  }${line.batchRequests === undefined ? '' : `,"batchRequests":${line.batchRequests}`}${
    line.batchWaitMs === undefined ? '' : `,"batchWaitMs":${milliseconds(line.batchWaitMs)}`
  }${typeof line.overflow === 'string' ? `,"overflow":${JSON.stringify(line.overflow)}` : ''}${line.coldStart === true ? ',"coldStart":true' : ''}${
    line.error === undefined ? '' : `,"error":${JSON.stringify(line.error)}`
  }}\n`;
}

/** To the microsecond: more digits only cost disk. */
function milliseconds(value: number): number | null {
  return number(Math.round(value * 1000) / 1000);
}

/** Four digits: receipts are too small for a fixed unit, and the bill is added up elsewhere. */
function dollars(value: number): string {
  if (!Number.isFinite(value)) return 'null';
  return value === 0 ? '0' : value.toPrecision(4);
}

/** JSON knows no NaN and no infinity. */
function number(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
