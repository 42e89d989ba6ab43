/** The profile of a model version, and what its server's prices make of it, as simulations take it. */
import type { PriceTable } from '../costs/index.ts';
import { type KnownProfile, profileOfKnown, type SimulatedProfile } from '../simulation/index.ts';
import { type Client, part } from './client.ts';
import { Failure } from './failure.ts';

/** `isServed`: as it was while serving, where that is known. Throws `Failure` where nothing is. */
export async function measuredProfile(client: Client, group: string, version: number, isServed = false): Promise<SimulatedProfile> {
  const name = `${group}/${version}`;
  const known = await client.get<KnownProfile>(`/groups/${part(group)}/versions/${version}/profile`);
  if (known.items.length + (isServed ? known.served.length : 0) === 0)
    throw new Failure(`${name} is not measured yet: run \`penstock profile ${name}\`, or give --profile`);
  return profileOfKnown(name, known, await client.get<PriceTable>('/prices'), isServed);
}
