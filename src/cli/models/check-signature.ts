/** Checks that an endpoint accepts a version before the version is approved. */
import type { EndpointBody, VersionBody } from '../../api/index.ts';
import { CliError } from '../cli-error.ts';
import type { Client } from '../client/client.ts';
import { versionUrlPath } from './model-source.ts';

/**
 * Throws `CliError` if the version's inputs or outputs are incompatible with those of the endpoint's current version. The server
 * rejects such an update too, but only after the approval, which would already make it the group's default version.
 */
export async function checkSameSignature(client: Client, { name, variants }: EndpointBody, version: VersionBody): Promise<void> {
  const [variant] = variants;
  if (variant === undefined || variant.model === version.name) return;
  const { signatureChange } = await import('../../deployment/index.ts'); // imported lazily: no other path needs it
  const change = signatureChange(await client.get<VersionBody>(versionUrlPath(variant.model)), version);
  if (change === null) return;
  throw new CliError(
    `the signature of ${version.name} is incompatible with that of ${variant.model}, which endpoint ${name} serves: ${change}. This would ` +
      `break callers, so ${version.name} was not approved. Delete it with \`penstock delete ${version.name}\` and deploy the model under ` +
      'another name, or pass --allow-signature-change',
  );
}
