/**
 * Use and cost by endpoint and variant since the server started. Instances and warm function environments are charged by time, busy
 * or not; functions are charged by invocation. The cost of a request is its share of the cost of its run.
 */
import type { Clock } from '../clock.ts';
import { type Account, addAccount, isSameAccount, newAccount, subtractAccount } from './account.ts';
import { gbSeconds } from './functions.ts';
import { executorUsd } from './prices.ts';

/** Sums of use and cost; they only grow. */
export interface Usage {
  /** Running time of instances and warm environments, seconds. */
  readonly instanceSeconds: number;
  /** Cost of `instanceSeconds`, US dollars. */
  readonly instanceUsd: number;
  /** The part of `instanceSeconds` used by warm environments. */
  readonly provisionedSeconds: number;
  /** The part of `instanceUsd` for warm environments. */
  readonly provisionedUsd: number;
  /** Answered requests. */
  readonly requests: number;
  /** Rejected and failed requests, without those cancelled by the client. */
  readonly failedRequests: number;
  /** Sum of the receipts of answered requests: the part of `instanceUsd` and `functionUsd` spent on successful runs. */
  readonly receiptsUsd: number;
  /**
   * Cost of failed runs; also a part of `instanceUsd` and `functionUsd`. A failed batch is rerun in halves, so this can be above
   * zero even if every request was answered.
   */
  readonly failedRunsUsd: number;
  /** Cost of function invocations, US dollars. */
  readonly functionUsd: number;
  readonly functionGbSeconds: number;
  /** Number of function invocations; one per batch. */
  readonly invocations: number;
  /** Invocations that waited for an environment to start. */
  readonly coldStarts: number;
  /** Total cost: `instanceUsd` + `functionUsd`. */
  readonly totalUsd: number;
}

/** Use and cost of one variant. */
export interface VariantUsage {
  readonly endpoint: string;
  readonly variant: string;
  readonly usage: Usage;
}

/** One invocation of a function, which runs one batch. */
export interface BilledInvocation {
  readonly memoryMiB: number;
  readonly billedMs: number;
  /** See `functionUsd`. */
  readonly usd: number;
  readonly isColdStart: boolean;
  /** Duration of the cold start, included in `billedMs`. */
  readonly setupMs?: number;
}

/** Records results of a variant's requests and runs. Frequent callers reuse it, because looking it up costs more than the addition. */
export interface RequestAccount {
  /** A request was answered; `usd` is its receipt. */
  readonly answered: (usd: number) => void;
  /** A request was rejected or failed. */
  readonly failed: () => void;
  /** A run failed; `usd` is what it cost. */
  readonly runFailed: (usd: number) => void;
}

interface VariantAccount {
  readonly endpoint: string;
  readonly variant: string;
  readonly account: Account;
  /** The part of `account` used by deleted endpoints of this name. */
  earlier: Account;
}

interface RunningInstance {
  readonly account: Account;
  readonly usdPerHour: number;
  readonly isProvisioned: boolean;
  readonly startedMs: number;
}

/** Minimum billed time of a stopped instance, as on EC2. */
export const billedAtLeastMs = 60_000;

/** In memory only; `CostHistory` persists its increases. */
export class Ledger {
  /** Since when it counts, epoch milliseconds: later than the start of its process if that stood by before. */
  readonly sinceMs: number;
  readonly #clock: Clock;
  readonly #accounts = new Map<string, VariantAccount>();
  readonly #running = new Map<string, RunningInstance>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.sinceMs = clock.wallMs();
  }

  /** Starts charging an instance, unless it is already being charged. */
  started(instanceId: string, endpoint: string, variant: string, usdPerHour: number): void {
    if (this.#running.get(instanceId)?.isProvisioned === false) return;
    this.#start(instanceId, endpoint, variant, { usdPerHour, isProvisioned: false });
  }

  /** Starts charging a warm function environment by time, until `ended` is called. */
  startedWarm(environmentId: string, endpoint: string, variant: string, usdPerHour: number): void {
    this.#start(environmentId, endpoint, variant, { usdPerHour, isProvisioned: true });
  }

  /** Starts charging a job by time, until `endedJob`. `elapsedMs`: how long it has run without being charged, as while no server ran. */
  startedJob(jobId: string, account: string, { usdPerHour, elapsedMs }: { readonly usdPerHour: number; readonly elapsedMs: number }): void {
    this.#start(jobId, account, 'job', { usdPerHour, isProvisioned: false });
    const running = this.#running.get(jobId) as RunningInstance;
    this.#running.set(jobId, { ...running, startedMs: running.startedMs - elapsedMs });
  }

  /** Stops charging a job after exactly `ms`, which include its `elapsedMs`; ignores unknown ids. */
  endedJob(jobId: string, ms: number): void {
    const running = this.#running.get(jobId);
    if (running === undefined) return;
    this.#running.delete(jobId);
    charge(running.account, running, running.startedMs + ms);
  }

  /** Stops charging an instance or warm environment; ignores unknown ids. */
  ended(instanceId: string): void {
    this.#end(instanceId, 0);
  }

  /**
   * Stops charging an instance that was stopped deliberately: it is billed for at least `billedAtLeastMs`. Warm environments have
   * no minimum.
   */
  terminated(instanceId: string): void {
    this.#end(instanceId, this.#running.get(instanceId)?.isProvisioned === true ? 0 : billedAtLeastMs);
  }

  /** A request was answered; `usd` is its receipt. */
  request(endpoint: string, variant: string, usd: number): void {
    this.accountOf(endpoint, variant).answered(usd);
  }

  /** The account of a variant, created on first use. */
  accountOf(endpoint: string, variant: string): RequestAccount {
    const account = this.#account(endpoint, variant);
    return {
      answered: (usd) => {
        account.requests++;
        account.receiptsUsd += usd;
      },
      failed: () => {
        account.failedRequests++;
      },
      runFailed: (usd) => {
        account.failedRunsUsd += usd;
      },
    };
  }

  /** Charges an invocation of a function, successful or not. */
  invoked(endpoint: string, variant: string, { memoryMiB, billedMs, usd, isColdStart }: BilledInvocation): void {
    const account = this.#account(endpoint, variant);
    account.invocations++;
    account.functionUsd += usd;
    account.functionGbSeconds += gbSeconds(memoryMiB, billedMs);
    if (isColdStart) account.coldStarts++;
  }

  /** Called when an endpoint was deleted: use from now on belongs to a new endpoint of that name. */
  stopped(endpoint: string): void {
    for (const variant of this.#accounts.values()) if (variant.endpoint === endpoint) variant.earlier = { ...variant.account };
  }

  /** Use of an endpoint or of one variant, without previous endpoints of that name. Includes running instances up to now. */
  usage(endpoint: string, variant: string | null = null): Usage {
    const sum = newAccount();
    const nowMs = this.#clock.nowMs();
    const prefix = `${endpoint}/`;
    for (const [key, { account, earlier }] of this.#accounts) {
      if (variant === null ? !key.startsWith(prefix) : key !== prefix + variant) continue;
      addAccount(sum, subtractAccount(account, earlier));
      for (const instance of this.#running.values()) if (instance.account === account) charge(sum, instance, nowMs);
    }
    return usageOf(sum);
  }

  /** Like `usage`, for each variant of an endpoint with any use. */
  variantsOf(endpoint: string): VariantUsage[] {
    return [...this.#accounts.values()]
      .filter((account) => account.endpoint === endpoint)
      .map(({ variant }) => ({ endpoint, variant, usage: this.usage(endpoint, variant) }))
      .filter(({ usage }) => !isSameAccount(usage, newAccount()));
  }

  /** Use of all variants since the server started, including deleted endpoints. Includes running instances up to now. */
  variants(): VariantUsage[] {
    const nowMs = this.#clock.nowMs();
    const sums = new Map([...this.#accounts.values()].map(({ account }) => [account, { ...account }]));
    for (const instance of this.#running.values()) charge(sums.get(instance.account) as Account, instance, nowMs);
    return [...this.#accounts.values()].map(({ endpoint, variant, account }) => {
      return { endpoint, variant, usage: usageOf(sums.get(account) as Account) };
    });
  }

  #end(id: string, leastMs: number): void {
    const instance = this.#running.get(id);
    if (instance === undefined) return;
    this.#running.delete(id);
    charge(instance.account, instance, Math.max(this.#clock.nowMs(), instance.startedMs + leastMs));
  }

  #start(id: string, endpoint: string, variant: string, price: Pick<RunningInstance, 'usdPerHour' | 'isProvisioned'>): void {
    this.ended(id);
    this.#running.set(id, { account: this.#account(endpoint, variant), ...price, startedMs: this.#clock.nowMs() });
  }

  #account(endpoint: string, variant: string): Account {
    const key = `${endpoint}/${variant}`;
    let known = this.#accounts.get(key);
    if (known === undefined) {
      known = { endpoint, variant, account: newAccount(), earlier: newAccount() };
      this.#accounts.set(key, known);
    }
    return known.account;
  }
}

/** Adds the derived fields. */
export function usageOf(account: Readonly<Account>): Usage {
  return { ...account, totalUsd: account.instanceUsd + account.functionUsd };
}

/** Sums several uses. */
export function sumOf(usages: readonly Usage[]): Usage {
  const sum = newAccount();
  for (const usage of usages) addAccount(sum, usage);
  return usageOf(sum);
}

/** Below this number, a price per million says more about idle time than about requests: one request in an hour costs $12,000. */
const pricedRequestsMin = 1000;

/** Mean cost per million requests, US dollars; null below a thousand requests. */
export function usdPerMillion({ totalUsd, requests }: Pick<Usage, 'totalUsd' | 'requests'>): number | null {
  return requests < pricedRequestsMin ? null : (totalUsd / requests) * 1e6;
}

/** Adds the time and cost of an instance until `nowMs`. */
function charge(account: Account, { startedMs, usdPerHour, isProvisioned }: RunningInstance, nowMs: number): void {
  const ms = nowMs - startedMs;
  const usd = executorUsd(usdPerHour, ms);
  account.instanceSeconds += ms / 1000;
  account.instanceUsd += usd;
  if (!isProvisioned) return;
  account.provisionedSeconds += ms / 1000;
  account.provisionedUsd += usd;
}
