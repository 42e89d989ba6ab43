/** What is added up of a variant's use, and how. */

/** Sums over some time, all of them 0 or more. */
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

export const accountFields = Object.keys(newAccount()) as readonly (keyof Account)[];

/** Adds `other` to `account`, `times` times. */
export function addTo(account: Account, other: Readonly<Account>, times = 1): void {
  for (const field of accountFields) account[field] += times * other[field];
}

/** What `later` has more than `earlier`. */
export function difference(later: Readonly<Account>, earlier: Readonly<Account>): Account {
  const more = { ...later };
  addTo(more, earlier, -1);
  return more;
}

export function isSame(one: Readonly<Account>, other: Readonly<Account>): boolean {
  return accountFields.every((field) => one[field] === other[field]);
}
