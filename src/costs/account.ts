/** Sums of a variant's use and cost, and arithmetic on them. */

/** Sums over some period; never negative. Fields are documented in `Usage`. */
export interface Account {
  instanceSeconds: number;
  instanceUsd: number;
  provisionedSeconds: number;
  provisionedUsd: number;
  requests: number;
  failedRequests: number;
  receiptsUsd: number;
  failedRunsUsd: number;
  functionUsd: number;
  functionGbSeconds: number;
  invocations: number;
  coldStarts: number;
}

/** All sums at zero. Each call returns an object of its own. */
export function newAccount(): Account {
  return {
    instanceSeconds: 0,
    instanceUsd: 0,
    provisionedSeconds: 0,
    provisionedUsd: 0,
    requests: 0,
    failedRequests: 0,
    receiptsUsd: 0,
    failedRunsUsd: 0,
    functionUsd: 0,
    functionGbSeconds: 0,
    invocations: 0,
    coldStarts: 0,
  };
}

/** Names of all sums, for arithmetic over them. */
export const accountFields = Object.keys(newAccount()) as readonly (keyof Account)[];

/** Adds `other`, multiplied by `times`, to `account` in place. */
export function addAccount(account: Account, other: Readonly<Account>, times = 1): void {
  for (const field of accountFields) account[field] += times * other[field];
}

/** The increase from `earlier` to `later`, as a new account. */
export function subtractAccount(later: Readonly<Account>, earlier: Readonly<Account>): Account {
  const more = { ...later };
  addAccount(more, earlier, -1);
  return more;
}

/** Whether nothing was used between two readings. */
export function isSameAccount(one: Readonly<Account>, other: Readonly<Account>): boolean {
  return accountFields.every((field) => one[field] === other[field]);
}
