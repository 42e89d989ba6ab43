/**
 * The home keeps a join token in a Secret of Kubernetes, so that the hosts of a set that grows can join at any time: tokens expire, and a
 * host that joins for the first time needs one that has not.
 */
import type { CreatedJoinToken, JoinTokenSummary, NewJoinToken } from '../../authority/index.ts';
import { type Clock, Loop } from '../../clock.ts';
import type { ControllerTerm } from '../../cluster/index.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { type JoinToken, parseJoinToken } from '../../links/index.ts';
import type { Log } from '../../logs/index.ts';
import type { Audit } from '../../records/index.ts';
import type { Database } from '../../storage/index.ts';
import { callKubernetes, type KubernetesAnswer, type KubernetesPlace, kubernetesError, namespaceOf } from './kubernetes-api.ts';

/** What a token says of the cluster. */
type ClusterOfToken = Pick<JoinToken, 'authorities' | 'nodes'>;

export interface JoinSecretDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: Pick<Audit, 'record'>;
  readonly tokens: {
    create(token: NewJoinToken, cluster: ClusterOfToken): Promise<CreatedJoinToken>;
    list(): Promise<JoinTokenSummary[]>;
    revoke(id: string): Promise<void>;
  };
  readonly cluster: () => ClusterOfToken;
  /** The role of this node; null once another one has it. */
  readonly term: () => ControllerTerm | null;
}

/** `NAME/KEY` of `--join-secret`. */
export interface SecretKey {
  readonly name: string;
  readonly key: string;
}

const dayMs = 86_400_000;
/** The most that a token may have. */
const ttlMs = 7 * dayMs;
const usesMax = 1000;
/** A token is replaced well before pods would find it expired or used up. */
const remainingMsMin = ttlMs / 2;
const remainingUsesMin = 100;
const roundEveryMs = 600_000;
const afterFailureMs = 15_000;

export class JoinSecret {
  readonly #deps: JoinSecretDeps;
  readonly #place: KubernetesPlace;
  readonly #secret: SecretKey;
  readonly #loop: Loop;
  #problem: string | null = null;

  constructor(deps: JoinSecretDeps, place: KubernetesPlace, secret: SecretKey) {
    this.#deps = deps;
    this.#place = place;
    this.#secret = secret;
    const onFailure = (error: unknown): void => deps.log.warn({ error: messageOf(error) }, 'the join secret was not looked at');
    this.#loop = new Loop({ clock: deps.clock, everyMs: roundEveryMs, run: () => this.round(), onFailure });
  }

  open(): void {
    this.#loop.open(0);
  }

  async close(): Promise<void> {
    await this.#loop.close();
  }

  /** For the operator; empty if the secret has a token that counts. */
  get notes(): readonly string[] {
    const { name } = this.#secret;
    return this.#problem === null
      ? []
      : [`the secret ${name} is not renewed, so new hosts cannot join once its token has expired: ${this.#problem}`];
  }

  /** Replaces the token if it is none, expires soon, or leads to a cluster that has changed. Resolves with when to look again, in ms. */
  async round(): Promise<number> {
    if (this.#deps.term() === null) return roundEveryMs;
    try {
      await this.#renewIfDue();
      this.#problem = null;
      return roundEveryMs;
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== this.#problem) this.#deps.log.warn({ secret: this.#secret.name, error: problem }, 'the join secret was not renewed');
      this.#problem = problem;
      return afterFailureMs;
    }
  }

  async #renewIfDue(): Promise<void> {
    const { tokens, clock, audit, db } = this.#deps;
    const { name, key } = this.#secret;
    const { body } = await this.#call({ method: 'GET' });
    const cluster = this.#deps.cluster();
    const token = tokenIn(body, key);
    const summary = (await tokens.list()).find(({ id }) => id === token?.id);
    if (token !== null && isCurrent(token, summary, { cluster, wallMs: clock.wallMs() })) return;
    const created = await tokens.create({ ttlMs, usesMax, host: null }, cluster);
    try {
      const detail = { ttl_s: ttlMs / 1000, max_uses: usesMax, host: null, secret: name };
      await audit.record(db, { who: 'penstock', action: 'CreateJoinToken', target: created.id, outcome: 'ok', detail });
      // The one before stays valid until it expires: a pod may have read it already.
      await this.#call({ method: 'PATCH', body: { data: { [key]: Buffer.from(created.token).toString('base64') } } });
    } catch (error) {
      await tokens.revoke(created.id).catch(() => undefined);
      throw error;
    }
  }

  async #call(call: { readonly method: 'GET' | 'PATCH'; readonly body?: unknown }): Promise<KubernetesAnswer> {
    const { name } = this.#secret;
    const path = `/api/v1/namespaces/${await namespaceOf(this.#place)}/secrets/${name}`;
    const answer = await callKubernetes(this.#place, { ...call, path, contentType: 'application/merge-patch+json' });
    if (answer.status >= 200 && answer.status < 300) return answer;
    const advice = ` It must exist, and the service account needs get and patch of it`;
    throw kubernetesError(answer, `a ${call.method === 'GET' ? 'look at' : 'change of'} the secret ${name}`, `.${advice}`);
  }
}

/** `penstock-join-token/token`. Throws `invalid_request`. */
export function secretKeyOf(text: string): SecretKey {
  const [name, key] = text.split('/');
  if (name === undefined || key === undefined) throw new PlatformError('invalid_request', `expected NAME/KEY of a secret, got ${text}`);
  return { name, key };
}

/** Null if the secret has no join token under the key. */
function tokenIn({ data }: Readonly<Record<string, unknown>>, key: string): JoinToken | null {
  const text = typeof data === 'object' && data !== null && Object.hasOwn(data, key) ? (data as Record<string, unknown>)[key] : null;
  if (typeof text !== 'string') return null;
  try {
    return parseJoinToken(Buffer.from(text, 'base64').toString('utf8').trim());
  } catch {
    return null;
  }
}

/** A node that left is no reason: the token leads to the others. */
function isCurrent(
  token: JoinToken,
  summary: JoinTokenSummary | undefined,
  { cluster, wallMs }: { readonly cluster: ClusterOfToken; readonly wallMs: number },
): boolean {
  if (summary === undefined || summary.host !== null) return false;
  if (summary.expiresAtMs - wallMs < remainingMsMin || summary.usesMax - summary.uses < remainingUsesMin) return false;
  const trusted = cluster.authorities.every((hash) => token.authorities.includes(hash));
  return trusted && cluster.nodes.some((address) => token.nodes.includes(address));
}
