/** What goes with a change of an endpoint, in one transaction. */
import type { Transaction } from '../storage/index.ts';
import type { EndpointConfig } from './endpoint-config.ts';
import type { StoredEndpoint } from './endpoint-rows.ts';

/** What somebody else keeps of an endpoint, or refuses, within the transaction that writes it. `before`: what an update changes. */
export type KeptBeside = (
  tx: Transaction,
  endpoint: Pick<StoredEndpoint, 'config' | 'generation'>,
  before?: EndpointConfig,
) => Promise<void>;
