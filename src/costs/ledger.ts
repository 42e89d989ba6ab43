/**
 * What was used and what it costs, by endpoint and variant, since the server started. Costs are computed from use:
 * instances by the time they run, whether they work or not, and likewise function environments that are kept warm;
 * functions by their invocations; a request's receipt is its share of the time it worked.
 */
import type { Clock } from '../clock.ts';
import { gbSeconds } from './functions.ts';
import { executorUsd } from './prices.ts';

export interface Usage {
  readonly instanceSeconds: number;
  /** What the instances cost, and the environments that are kept warm. */
  readonly instanceUsd: number;
  readonly requests: number;
  /** The sum of the receipts: the part of `instanceUsd` in which the instances worked, and `functionUsd`. */
  readonly receiptsUsd: number;
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

/** One batch that a function ran. */
export interface Invocation {
  readonly memoryMiB: number;
  readonly billedMs: number;
  /** See `functionUsd`. */
  readonly usd: number;
  readonly isColdStart: boolean;
}

type Account = { -readonly [Field in Exclude<keyof Usage, 'totalUsd'>]: Usage[Field] };

interface RunningInstance {
  readonly account: Account;
  readonly usdPerHour: number;
  readonly startedMs: number;
}

export class Ledger {
  readonly #clock: Clock;
  readonly #accounts = new Map<string, Account>();
  readonly #running = new Map<string, RunningInstance>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** An instance, or an environment kept warm, costs from now on. */
  started(instanceId: string, endpoint: string, variant: string, usdPerHour: number): void {
    this.ended(instanceId);
    this.#running.set(instanceId, { account: this.#account(endpoint, variant), usdPerHour, startedMs: this.#clock.nowMs() });
  }

  /** An instance costs no more; one that is not known cost nothing. */
  ended(instanceId: string): void {
    const instance = this.#running.get(instanceId);
    if (instance === undefined) return;
    this.#running.delete(instanceId);
    charge(instance.account, instance, this.#clock.nowMs());
  }

  /** A request was answered; `usd` is its receipt. */
  request(endpoint: string, variant: string, usd: number): void {
    const account = this.#account(endpoint, variant);
    account.requests++;
    account.receiptsUsd += usd;
  }

  /** A function ran a batch, whether it went well or not. */
  invoked(endpoint: string, variant: string, { memoryMiB, billedMs, usd, isColdStart }: Invocation): void {
    const account = this.#account(endpoint, variant);
    account.invocations++;
    account.functionUsd += usd;
    account.functionGbSeconds += gbSeconds(memoryMiB, billedMs);
    if (isColdStart) account.coldStarts++;
  }

  /** All variants of an endpoint together, or one of them; instances that run included up to now. */
  usage(endpoint: string, variant: string | null = null): Usage {
    const sum = newAccount();
    const nowMs = this.#clock.nowMs();
    const prefix = `${endpoint}/`;
    for (const [key, account] of this.#accounts) {
      if (variant === null ? !key.startsWith(prefix) : key !== prefix + variant) continue;
      for (const field of fields) sum[field] += account[field];
      for (const instance of this.#running.values()) if (instance.account === account) charge(sum, instance, nowMs);
    }
    return { ...sum, totalUsd: sum.instanceUsd + sum.functionUsd };
  }

  #account(endpoint: string, variant: string): Account {
    const key = `${endpoint}/${variant}`;
    let account = this.#accounts.get(key);
    if (account === undefined) {
      account = newAccount();
      this.#accounts.set(key, account);
    }
    return account;
  }
}

function newAccount(): Account {
  return {
    instanceSeconds: 0,
    instanceUsd: 0,
    requests: 0,
    receiptsUsd: 0,
    functionUsd: 0,
    functionGbSeconds: 0,
    invocations: 0,
    coldStarts: 0,
  };
}

const fields = Object.keys(newAccount()) as readonly (keyof Account)[];

function charge(account: Account, { startedMs, usdPerHour }: RunningInstance, nowMs: number): void {
  const ms = nowMs - startedMs;
  account.instanceSeconds += ms / 1000;
  account.instanceUsd += executorUsd(usdPerHour, ms);
}
