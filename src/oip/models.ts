/** Models in the terms of the protocol: lookup, versions, readiness, and errors for models that are not served. */

import { truncated } from '../codecs/index.ts';
import { productionVariants } from '../deployment/index.ts';
import { PlatformError } from '../errors.ts';
import { sameName } from '../names.ts';
import { answeringVariants, type ServedRoute, type ServedVariant, type ServedView } from '../serving/index.ts';
import type { DeployedEndpoint, OipDeps } from './deps.ts';

/** Where models are looked up. */
export type ModelLookup = Pick<OipDeps, 'serving' | 'deployed'>;

/** A model as named by a client. An undefined version means any. */
export type ModelReference = { readonly model: string; readonly version: string | undefined };

/** A model that was found, with the variants that a request can mean. */
export interface ServedModel {
  readonly view: ServedView;
  /** Variants of the requested version, or all without one. Never empty. */
  readonly variants: readonly [ServedVariant, ...ServedVariant[]];
}

/** Throws `not_found` for an unknown model or version, `unavailable` if it is not served yet, or no longer. */
export function findModel(known: ModelLookup, reference: ModelReference): ServedModel {
  const view = known.serving.endpoint(reference.model);
  if (view === undefined) throw missing(known, reference);
  const answering = answeringVariants(view);
  const [first, ...others] = answering.filter(
    ({ version }) => reference.version === undefined || String(version.version) === reference.version,
  );
  if (first === undefined)
    throw unknownVersion(
      view.name,
      reference.version,
      answering.map(({ version }) => version.version),
    );
  return { view, variants: [first, ...others] };
}

/** Replaces a `not_found` of serving by an error in the terms of the protocol. Other errors are returned unchanged. */
export function notServed(error: unknown, known: ModelLookup, reference: ModelReference): unknown {
  if (!(error instanceof PlatformError) || error.code !== 'not_found') return error;
  const view = known.serving.endpoint(reference.model);
  if (view === undefined) return missing(known, reference);
  return unknownVersion(
    view.name,
    reference.version,
    answeringVariants(view).map(({ version }) => version.version),
  );
}

/** The endpoint of that name, in any state. Names are case-insensitive. */
export function deployedAs(known: Pick<ModelLookup, 'deployed'>, model: string): DeployedEndpoint | undefined {
  return known.deployed().find(({ config }) => sameName(config.name, model));
}

/** Whether a model accepts requests; `refusal` is the reason if not. Throws `not_found`. */
export function modelReadiness(
  known: ModelLookup,
  reference: ModelReference,
): { readonly name: string; readonly refusal: PlatformError | null } {
  try {
    const { view, variants } = findModel(known, reference);
    const isReady =
      reference.version === undefined
        ? view.isReady
        : view.reason !== 'unloaded' && variants.every(({ executors, functions }) => executors.length > 0 || functions !== null);
    const refusal = new PlatformError('unavailable', `model '${view.name}' is not ready: ${view.reason ?? 'no worker is ready'}`);
    return { name: view.name, refusal: isReady ? null : refusal };
  } catch (error) {
    if (!(error instanceof PlatformError) || error.code !== 'unavailable') throw error;
    return { name: reference.model, refusal: error };
  }
}

/** The protocol transfers tensors, and a process, or a Python model of bytes, accepts only raw bytes. */
export function bytesOnlyError({ endpoint }: Pick<ServedRoute, 'endpoint'>): PlatformError {
  const cure = `use POST /api/v1/endpoints/${endpoint}/invoke`;
  return new PlatformError('unsupported', `model '${endpoint}' reads its requests itself: it accepts raw bytes, not tensors; ${cure}`);
}

function missing(known: ModelLookup, { model, version }: ModelReference): PlatformError {
  const deployed = deployedAs(known, model);
  if (deployed === undefined) {
    return new PlatformError('not_found', `model '${truncated(model)}' does not exist; GET /v2/models lists all models`);
  }
  const { config, status, reason } = deployed;
  const versions = productionVariants(config.variants).map((variant) => variant.version);
  if (version !== undefined && !versions.map(String).includes(version)) return unknownVersion(config.name, version, versions);
  return new PlatformError('unavailable', `model '${config.name}' is not ready: ${reason ?? `its endpoint is ${status}`}`, {
    retryAfterMs: 1000,
  });
}

function unknownVersion(model: string, version: string | undefined, versions: readonly number[]): PlatformError {
  return new PlatformError('not_found', `model '${model}' has no version '${truncated(version ?? '')}'; versions: ${versions.join(', ')}`);
}
