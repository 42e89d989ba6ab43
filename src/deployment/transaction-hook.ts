/** A hook into the transaction that changes an endpoint. */
import type { Transaction } from '../storage/index.ts';
import type { EndpointConfig } from './config/endpoint-config.ts';
import type { StoredEndpoint } from './endpoint-rows.ts';

/** Lets other modules store data with an endpoint, or reject the change by throwing. `before`: the config that an update replaces. */
export type TransactionHook = (
  tx: Transaction,
  endpoint: Pick<StoredEndpoint, 'config' | 'generation'>,
  before?: EndpointConfig,
) => Promise<void>;

/** One hook for several; the first that throws rejects the change. */
export function inOrder(...hooks: readonly (TransactionHook | undefined)[]): TransactionHook {
  return async (tx, endpoint, before) => {
    for (const hook of hooks) await hook?.(tx, endpoint, before);
  };
}
