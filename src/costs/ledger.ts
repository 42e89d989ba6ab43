/**
 * What was used and what it costs, by endpoint and variant, since the server started. Costs are computed from use:
 * instances by the time they run, whether they work or not, and likewise function environments that are kept warm;
 * functions by their invocations; a request's receipt is its share of the time it worked.
 */
import type { Clock } from '../clock.ts';
import { type Account, addTo, difference, isSame, newAccount } from './account.ts';
import { gbSeconds } from './functions.ts';
import { executorUsd } from './prices.ts';

export interface Usage {
  /** Of instances, and of environments that are kept warm. */
  readonly instanceSeconds: number;
  /** What those cost. */
  readonly instanceUsd: number;
  /** The part of `instanceSeconds` that environments were kept warm. */
  readonly provisionedSeconds: number;
  /** The part of `instanceUsd` that this cost. */
  readonly provisionedUsd: number;
  /** Those that were answered. */
  readonly requests: number;
  /** Those that were refused or failed; a client that went away got what it wanted. */
  readonly failedRequests: number;
  /** The sum of the receipts: the part of `instanceUsd` and `functionUsd` in which something worked, and it went well. */
  readonly receiptsUsd: number;
  /**
   * What runs cost that failed, within `instanceUsd` and `functionUsd` too. A batch that fails is run again in halves, so
   * there may be some of it though every request was answered.
   */
  readonly failedRunsUsd: number;
  /** What the invocations of functions cost. */
  readonly functionUsd: number;
  readonly functionGbSeconds: number;
  /** Each is one batch. */
  readonly invocations: number;
  /** Invocations that waited for an environment to start. */
  readonly coldStarts: number;
  /** All that is to be paid: `instanceUsd` + `functionUsd`. */
  readonly totalUsd: number;
}

/** The use of one variant. */
export interface VariantUsage {
  readonly endpoint: string;
  readonly variant: string;
  readonly usage: Usage;
}

/** One batch that a function ran. */
export interface Invocation {
  readonly memoryMiB: number;
  readonly billedMs: number;
  /** See `functionUsd`. */
  readonly usd: number;
  readonly isColdStart: boolean;
  /** What the start took that its first run waited for. */
  readonly setupMs?: number;
}

/** Takes what became of a variant's requests and runs: who hands in many holds on to it, for the look-up takes longer than the sum. */
export interface RequestBook {
  /** A request was answered; `usd` is its receipt. */
  readonly answered: (usd: number) => void;
  /** A request was refused, or failed. */
  readonly failed: () => void;
  /** A run failed; `usd` is what it cost. */
  readonly runFailed: (usd: number) => void;
}

interface VariantAccount {
  readonly endpoint: string;
  readonly variant: string;
  readonly account: Account;
  /** The part of it that endpoints of this name used that are gone. */
  earlier: Account;
}

interface RunningInstance {
  readonly account: Account;
  readonly usdPerHour: number;
  readonly isProvisioned: boolean;
  readonly startedMs: number;
}

/** An instance that is sent away sooner was rented for so long all the same, as EC2 has it. */
export const billedAtLeastMs = 60_000;

export class Ledger {
  readonly #clock: Clock;
  readonly #accounts = new Map<string, VariantAccount>();
  readonly #running = new Map<string, RunningInstance>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** An instance costs from now on; one that does already goes on. */
  started(instanceId: string, endpoint: string, variant: string, usdPerHour: number): void {
    if (this.#running.get(instanceId)?.isProvisioned === false) return;
    this.#start(instanceId, endpoint, variant, { usdPerHour, isProvisioned: false });
  }

  /** An environment of a function is kept warm and costs from now on, until it `ended`. */
  keptWarm(environmentId: string, endpoint: string, variant: string, usdPerHour: number): void {
    this.#start(environmentId, endpoint, variant, { usdPerHour, isProvisioned: true });
  }

  /** An instance costs no more; one that is not known cost nothing. */
  ended(instanceId: string): void {
    this.#end(instanceId, 0);
  }

  /** The same where it was sent away: then it is paid for at least a minute. */
  sentAway(instanceId: string): void {
    this.#end(instanceId, this.#running.get(instanceId)?.isProvisioned === true ? 0 : billedAtLeastMs);
  }

  /** A request was answered; `usd` is its receipt. */
  request(endpoint: string, variant: string, usd: number): void {
    this.bookOf(endpoint, variant).answered(usd);
  }

  bookOf(endpoint: string, variant: string): RequestBook {
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

  /** A function ran a batch, whether it went well or not. */
  invoked(endpoint: string, variant: string, { memoryMiB, billedMs, usd, isColdStart }: Invocation): void {
    const account = this.#account(endpoint, variant);
    account.invocations++;
    account.functionUsd += usd;
    account.functionGbSeconds += gbSeconds(memoryMiB, billedMs);
    if (isColdStart) account.coldStarts++;
  }

  /** An endpoint is gone, with all that ran for it: what is used from now on, one uses that has its name. */
  left(endpoint: string): void {
    for (const variant of this.#accounts.values()) if (variant.endpoint === endpoint) variant.earlier = { ...variant.account };
  }

  /** All variants of an endpoint together, or one of them, without those of its name before it; instances that run included up to now. */
  usage(endpoint: string, variant: string | null = null): Usage {
    const sum = newAccount();
    const nowMs = this.#clock.nowMs();
    const prefix = `${endpoint}/`;
    for (const [key, { account, earlier }] of this.#accounts) {
      if (variant === null ? !key.startsWith(prefix) : key !== prefix + variant) continue;
      addTo(sum, difference(account, earlier));
      for (const instance of this.#running.values()) if (instance.account === account) charge(sum, instance, nowMs);
    }
    return usageOf(sum);
  }

  /** As `usage`, of each variant of an endpoint that used anything. */
  variantsOf(endpoint: string): VariantUsage[] {
    return [...this.#accounts.values()]
      .filter((account) => account.endpoint === endpoint)
      .map(({ variant }) => ({ endpoint, variant, usage: this.usage(endpoint, variant) }))
      .filter(({ usage }) => !isSame(usage, newAccount()));
  }

  /** Every variant that was ever used, also of endpoints that are gone; instances that run included up to now. */
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

/** With what follows from the sums. */
export function usageOf(account: Readonly<Account>): Usage {
  return { ...account, totalUsd: account.instanceUsd + account.functionUsd };
}

/** All of them together. */
export function sumOf(usages: readonly Usage[]): Usage {
  const sum = newAccount();
  for (const usage of usages) addTo(sum, usage);
  return usageOf(sum);
}

/** null where nobody asked. */
export function usdPerMillion({ totalUsd, requests }: Usage): number | null {
  return requests === 0 ? null : (totalUsd / requests) * 1e6;
}

function charge(account: Account, { startedMs, usdPerHour, isProvisioned }: RunningInstance, nowMs: number): void {
  const ms = nowMs - startedMs;
  const usd = executorUsd(usdPerHour, ms);
  account.instanceSeconds += ms / 1000;
  account.instanceUsd += usd;
  if (!isProvisioned) return;
  account.provisionedSeconds += ms / 1000;
  account.provisionedUsd += usd;
}
