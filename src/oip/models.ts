/** Models as the protocol sees them: which there are, which versions, and why one cannot be had. */

import { shown } from '../codecs/index.ts';
import { PlatformError } from '../errors.ts';
import type { Route, ServedVariant, ServedView } from '../serving/index.ts';
import type { Deployed, OipServices } from './neighbours.ts';

export type Known = Pick<OipServices, 'serving' | 'deployed'>;
export type Asked = { readonly model: string; readonly version: string | undefined };

export interface ServedModel {
  readonly view: ServedView;
  /** Of the version asked for; all of them where none was. Never empty. */
  readonly variants: readonly [ServedVariant, ...ServedVariant[]];
}

/** Throws `not_found` for an unknown model or version, `unavailable` where it is not served (yet, or any more). */
export function findModel(known: Known, asked: Asked): ServedModel {
  const view = known.serving.endpoint(asked.model);
  if (view === undefined) throw missing(known, asked);
  const [first, ...others] = view.variants.filter(
    ({ version }) => asked.version === undefined || String(version.version) === asked.version,
  );
  if (first === undefined)
    throw unknownVersion(
      view.name,
      asked.version,
      view.variants.map(({ version }) => version.version),
    );
  return { view, variants: [first, ...others] };
}

/** Says in the protocol's words why a model is not served; any other error stays as it is. */
export function notServed(error: unknown, known: Known, asked: Asked): unknown {
  if (!(error instanceof PlatformError) || error.code !== 'not_found') return error;
  const view = known.serving.endpoint(asked.model);
  if (view === undefined) return missing(known, asked);
  return unknownVersion(
    view.name,
    asked.version,
    view.variants.map(({ version }) => version.version),
  );
}

export function deployedAs(known: Pick<Known, 'deployed'>, model: string): Deployed | undefined {
  return known.deployed().find(({ config }) => config.name.toLowerCase() === model.toLowerCase());
}

/** Whether a model takes requests; `refusal` says why not. Throws `not_found`. */
export function modelReadiness(known: Known, asked: Asked): { readonly name: string; readonly refusal: PlatformError | null } {
  try {
    const { view, variants } = findModel(known, asked);
    const isReady =
      asked.version === undefined
        ? view.isReady
        : view.reason !== 'unloaded' && variants.every(({ executors, functions }) => executors.length > 0 || functions !== null);
    const refusal = new PlatformError('unavailable', `model '${view.name}' is not ready: ${view.reason ?? 'no worker is ready'}`);
    return { name: view.name, refusal: isReady ? null : refusal };
  } catch (error) {
    if (!(error instanceof PlatformError) || error.code !== 'unavailable') throw error;
    return { name: asked.model, refusal: error };
  }
}

/** The protocol is about tensors. */
export function takesBytes({ endpoint }: Pick<Route, 'endpoint'>): PlatformError {
  const cure = `POST /api/v1/endpoints/${endpoint}/invoke sends them`;
  return new PlatformError(
    'unsupported',
    `model '${endpoint}' is a process: it takes bytes that it alone understands, no tensors; ${cure}`,
  );
}

function missing(known: Known, { model, version }: Asked): PlatformError {
  const deployed = deployedAs(known, model);
  if (deployed === undefined) {
    return new PlatformError('not_found', `model '${shown(model)}' is not known; GET /v2/models lists those that are`);
  }
  const { config, status, reason } = deployed;
  const versions = config.variants.map((variant) => variant.version);
  if (version !== undefined && !versions.map(String).includes(version)) return unknownVersion(config.name, version, versions);
  return new PlatformError('unavailable', `model '${config.name}' is not ready: ${reason ?? `its endpoint is ${status}`}`, {
    retryAfterMs: 1000,
  });
}

function unknownVersion(model: string, version: string | undefined, versions: readonly number[]): PlatformError {
  return new PlatformError('not_found', `model '${model}' has no version '${shown(version ?? '')}'; versions: ${versions.join(', ')}`);
}
