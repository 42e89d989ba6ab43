/** The endpoints whose requests gateway processes decode themselves. All other requests go to the server as they were received. */
import type { Signature } from '../tensor.ts';

/** One variant of an endpoint, with all that decoding its requests needs. */
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

/** An endpoint whose requests can be decoded without the server. */
export interface CatalogueEndpoint {
  readonly name: string;
  readonly routes: readonly CatalogueRoute[];
}
