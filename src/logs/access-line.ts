/** One JSON line per control call: the request, its caller and address, and the outcome. Never contains secrets. */

/** A finished control call. */
export interface AccessLine {
  /** When the call ended, epoch milliseconds. */
  readonly atMs: number;
  readonly requestId: string;
  /** `api`, `aws`, `oip`, `grpc`. */
  readonly protocol: string;
  readonly method: string;
  /** As received, including the query. */
  readonly url: string;
  /** AWS operation, if the path does not name it. */
  readonly operation?: string | undefined;
  /** Requested model, as received, if the path does not name it. */
  readonly model?: string | undefined;
  /** HTTP status. */
  readonly status: number;
  readonly ms: number;
  /** Id of the API key; null if unknown. */
  readonly who: string | null;
  readonly from: string | undefined;
  readonly userAgent: string | undefined;
}

const urlLengthMax = 512;
const agentLengthMax = 128;
const modelLengthMax = 128;
/** Query parameters that grant access or might: signatures, keys, tokens, links. */
const secretName = /key|secret|sign|credential|token|password|auth|session|link|code/i;

/** Includes the line end. */
export function formatAccessLine({ atMs, requestId, ms, url, from, userAgent, ...line }: AccessLine): string {
  const { protocol, method, operation, model, status, who } = line;
  const agent = userAgent?.slice(0, agentLengthMax);
  const fields = {
    at: atMs,
    request: requestId,
    protocol,
    method,
    path: maskUrlSecrets(url),
    operation,
    model: model?.slice(0, modelLengthMax),
    status,
    totalMs: rounded(ms),
    who,
    from,
    agent,
  };
  return `${JSON.stringify(fields)}\n`;
}

/** Path and query, with the values of possible secrets masked. */
export function maskUrlSecrets(url: string): string {
  const question = url.indexOf('?');
  if (question === -1) return url.slice(0, urlLengthMax);
  const parameters = url.slice(question + 1).split('&');
  const masked = parameters.map((parameter) => {
    const [name = ''] = parameter.split('=', 1);
    return name.length < parameter.length && secretName.test(decodeName(name)) ? `${name}=***` : parameter;
  });
  return `${url.slice(0, question)}?${masked.join('&')}`.slice(0, urlLengthMax);
}

/** A name can be percent-encoded. */
function decodeName(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return 'key'; // treat an undecodable name as a secret
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
