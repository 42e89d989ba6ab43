/** Mutations of models. */
import type { RegisteredBody, VersionBody } from '../../../src/api/index.ts';
import { ApiError, call, path, post, remove } from './client.ts';

export type ApprovalDecision = 'Approved' | 'Rejected';

/** Approves or rejects a version such as `digits/3`. An empty comment is not sent. `acceptsImports`: see `requiresReview`. */
export function setApproval(name: string, approval: ApprovalDecision, note: string, acceptsImports = false): Promise<VersionBody> {
  const [group = '', version = ''] = name.split('/');
  const comment = note.trim();
  return post<VersionBody>(path('/groups/:group/versions/:version/approval', { group, version }), {
    approval,
    ...(comment === '' ? {} : { note: comment }),
    ...(acceptsImports ? { accept_imports: true } : {}),
  });
}

/** Cancels the opening of a Python model, which an approval has started. */
export function cancelOpening(name: string): Promise<void> {
  const [group = '', version = ''] = name.split('/');
  return remove(path('/groups/:group/versions/:version/opening', { group, version }));
}

/** Registering the same bytes again returns the existing version. A version that is already approved or rejected is not changed. */
export async function registerFromCatalogue(name: string, { approve }: { readonly approve: boolean }): Promise<VersionBody> {
  const { version } = await post<RegisteredBody>(path('/catalogue/:name/register', { name }), {});
  return approve && version.approval === 'PendingManualApproval' ? setApproval(version.name, 'Approved', 'from the catalogue') : version;
}

export interface NewVersion {
  /** Not sent if empty. */
  readonly description: string;
  /** JSON. */
  readonly metrics: string | undefined;
  /** Of a Python model; null: the default one. */
  readonly environment: string | null;
  /** JSON: the inputs of a TorchScript file. */
  readonly inputs: string | undefined;
  /** Rows with which a Python model is opened, and their content type. */
  readonly sample: { readonly body: Blob; readonly contentType: string } | null;
}

/** Registers a file as a version, then stores its sample. */
export async function registerVersion(
  group: string,
  { name, body }: { readonly name: string; readonly body: Blob },
  { description, metrics, environment, inputs, sample }: NewVersion,
): Promise<VersionBody> {
  const { version } = await post<RegisteredBody>(path('/groups/:group/versions', { group }), body, {
    contentType: 'application/octet-stream',
    query: { name, description: description === '' ? undefined : description, metrics, python_environment: environment, inputs },
  });
  if (sample === null) return version;
  const place = path('/groups/:group/versions/:version/sample', { group, version: version.version });
  try {
    return await call<VersionBody>('PUT', place, { body: sample.body, contentType: sample.contentType });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new ApiError(error.status, { error: `${version.name} was registered without its sample: ${error.message}`, code: error.code });
  }
}
