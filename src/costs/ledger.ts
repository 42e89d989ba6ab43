/**
 * What was used and what it costs, by endpoint and variant, since the server started. Costs are computed from use:
 * instances by the time they run, whether they work or not; a request's receipt is its share of the time it worked.
 */
import type { Clock } from '../clock.ts';
import { executorUsd } from './prices.ts';

export interface Usage {
  readonly instanceSeconds: number;
  /** What the instances cost. */
  readonly instanceUsd: number;
  readonly requests: number;
  /** The sum of the receipts: the part of `instanceUsd` in which the instances worked. */
  readonly receiptsUsd: number;
}

interface Account {
  instanceSeconds: number;
  instanceUsd: number;
  requests: number;
  receiptsUsd: number;
}

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

  /** An instance costs from now on. */
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

  /** All variants of an endpoint together, instances that run included up to now. */
  usage(endpoint: string): Usage {
    const sum: Account = { instanceSeconds: 0, instanceUsd: 0, requests: 0, receiptsUsd: 0 };
    const nowMs = this.#clock.nowMs();
    for (const [key, account] of this.#accounts) {
      if (!key.startsWith(`${endpoint}/`)) continue;
      sum.instanceSeconds += account.instanceSeconds;
      sum.instanceUsd += account.instanceUsd;
      sum.requests += account.requests;
      sum.receiptsUsd += account.receiptsUsd;
      for (const instance of this.#running.values()) if (instance.account === account) charge(sum, instance, nowMs);
    }
    return sum;
  }

  #account(endpoint: string, variant: string): Account {
    const key = `${endpoint}/${variant}`;
    let account = this.#accounts.get(key);
    if (account === undefined) {
      account = { instanceSeconds: 0, instanceUsd: 0, requests: 0, receiptsUsd: 0 };
      this.#accounts.set(key, account);
    }
    return account;
  }
}

function charge(account: Account, { startedMs, usdPerHour }: RunningInstance, nowMs: number): void {
  const ms = nowMs - startedMs;
  account.instanceSeconds += ms / 1000;
  account.instanceUsd += executorUsd(usdPerHour, ms);
}
