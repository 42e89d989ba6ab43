/** The measured profile of a model version, and what its server's prices make of it, as simulations take it. */
import type { PriceTable } from '../costs/index.ts';
import { type KnownProfile, profileOfKnown, type SimulatedProfile } from '../simulation/index.ts';
import { type Client, part } from './client.ts';
import { Failure } from './failure.ts';

/** Throws `Failure` where nothing was measured. */
export async function measuredProfile(client: Client, group: string, version: number): Promise<SimulatedProfile> {
  const name = `${group}/${version}`;
  const known = await client.get<KnownProfile>(`/groups/${part(group)}/versions/${version}/profile`);
  if (known.items.length === 0) throw new Failure(`${name} is not measured yet: run \`penstock profile ${name}\`, or give --profile`);
  return profileOfKnown(name, known, await client.get<PriceTable>('/prices'));
}
