/** The endpoints whose requests gateway processes decode themselves. All other requests go to the server as they were received. */
import type { Signature } from '../tensor.ts';

export interface CatalogueRoute {
  /** Its number on this link. */
  readonly route: number;
  readonly endpoint: string;
  readonly version: string;
  readonly weight: number;
  readonly signature: Signature;
  readonly batchable: boolean;
  readonly batchSizeMax: number;
  /** As in `PlainVariant`: responses name it. */
  readonly plan: { readonly name: string; readonly model: string } | null;
}

export interface CatalogueEndpoint {
  readonly name: string;
  readonly routes: readonly CatalogueRoute[];
}
