/** Loads the measured profile of a model version, with the server's prices, as the input of simulations. */
import type { PriceTable } from '../../costs/index.ts';
import { type ProfileDocument, profileOfDocument, type SimulatedProfile } from '../../simulation/index.ts';
import { CliError } from '../cli-error.ts';
import { type Client, pathSegment } from './client.ts';

/** `isServed`: prefer service times observed while serving. Throws `CliError` if nothing was measured. */
export async function measuredProfile(client: Client, group: string, version: number, isServed = false): Promise<SimulatedProfile> {
  const name = `${group}/${version}`;
  const known = await client.get<ProfileDocument>(`/groups/${pathSegment(group)}/versions/${version}/profile`);
  if (known.items.length + (isServed ? known.served.length : 0) === 0)
    throw new CliError(`${name} has no measured profile yet: run \`penstock profile ${name}\`, or pass --profile`);
  return profileOfDocument(name, known, await client.get<PriceTable>('/prices'), isServed);
}
