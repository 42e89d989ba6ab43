/** Whether an endpoint will take a version, found out before anybody approves it. */
import type { EndpointBody, VersionBody } from '../api/index.ts';
import type { Client } from './client.ts';
import { Failure } from './failure.ts';
import { versionPath } from './model-source.ts';

/**
 * Throws `Failure` where the version does not take and give what the endpoint's does. The server refuses such an update too, but
 * only once the version is approved, and from then on it would be what its group's name alone means.
 */
export async function checkSignature(client: Client, { name, variants }: EndpointBody, version: VersionBody): Promise<void> {
  const [variant] = variants;
  if (variant === undefined || variant.model === version.name) return;
  const { signatureChange } = await import('../deployment/index.ts'); // nobody else waits for it
  const change = signatureChange(await client.get<VersionBody>(versionPath(variant.model)), version);
  if (change === null) return;
  throw new Failure(
    `${version.name} does not take and give what ${variant.model} does, which endpoint ${name} serves: ${change}. Callers would break, ` +
      `so ${version.name} was not approved: delete it with \`penstock delete ${version.name}\` and deploy the model under another name, ` +
      'or allow it with --allow-signature-change',
  );
}
