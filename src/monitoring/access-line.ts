/** One line of JSON for each control call: what was asked, by whom, from where, and how it was answered. Nothing secret is in it. */

export interface AccessLine {
  /** Epoch milliseconds of its end. */
  readonly atMs: number;
  readonly requestId: string;
  /** `api`, `aws`, `oip`, `grpc`. */
  readonly door: string;
  readonly method: string;
  /** With its query, as it came. */
  readonly url: string;
  /** AWS's operation, where the path does not say it. */
  readonly operation?: string | undefined;
  /** The model that was asked for, as it came, where the path does not say it. */
  readonly model?: string | undefined;
  /** Of HTTP. */
  readonly status: number;
  readonly ms: number;
  /** The key's id; null where it is not known. */
  readonly who: string | null;
  readonly from: string | undefined;
  readonly userAgent: string | undefined;
}

const urlLengthMax = 512;
const agentLengthMax = 128;
const modelLengthMax = 128;
/** Members of a query that open something, or may: signatures, keys, tokens, links. */
const secretName = /key|secret|sign|credential|token|password|auth|session|link|code/i;

/** With its line end. */
export function formatAccessLine({ atMs, requestId, ms, url, from, userAgent, ...line }: AccessLine): string {
  const { door, method, operation, model, status, who } = line;
  const agent = userAgent?.slice(0, agentLengthMax);
  const fields = {
    at: atMs,
    request: requestId,
    door,
    method,
    path: withoutSecrets(url),
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

/** The path and its query, but for the values of what may be a secret. */
export function withoutSecrets(url: string): string {
  const question = url.indexOf('?');
  if (question === -1) return url.slice(0, urlLengthMax);
  const members = url.slice(question + 1).split('&');
  const shown = members.map((member) => {
    const [name = ''] = member.split('=', 1);
    return name.length < member.length && secretName.test(plain(name)) ? `${name}=***` : member;
  });
  return `${url.slice(0, question)}?${shown.join('&')}`.slice(0, urlLengthMax);
}

/** A name may be spelt in escapes. */
function plain(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return 'key'; // what cannot be read may be anything
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
