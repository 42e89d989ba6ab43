/** Deploys the models that the conformance suite needs on a Penstock server. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { fixtures } from '#conformance';
import type { EndpointBody } from '../../api/index.ts';
import { ServerError } from '../cli-error.ts';
import { type Client, pathSegment } from '../client/client.ts';
import { inService } from '../client/in-service.ts';
import type { Progress } from '../output/progress.ts';
import type { VerbSession } from '../verb.ts';

const readyWithinMs = 60_000;

/** Registers, approves and deploys each missing model. Resolves when all are in service. */
export async function deployFixtures(session: VerbSession, client: Client, progress: Progress): Promise<void> {
  const names = Object.values(fixtures);
  progress.stage('deploy', names.join(', '));
  const endpoints: EndpointBody[] = [];
  for (const name of names) endpoints.push((await deployed(client, name)) ?? (await deploy(client, name)));
  progress.done();
  for (const endpoint of endpoints) await inService(session, client, progress, endpoint, readyWithinMs);
}

/** Two of the files are in the catalogue. */
function fixtureFile(name: string): string {
  const file = `${name.replaceAll('-', '_')}.onnx`;
  const places = ['conformance', 'catalogue'].map((folder) => fileURLToPath(new URL(`../../../assets/${folder}/${file}`, import.meta.url)));
  const place = places.find((each) => existsSync(each));
  assert(place !== undefined, `missing fixture: ${file} should be shipped`);
  return place;
}

function deployed(client: Client, name: string): Promise<EndpointBody | null> {
  return client.get<EndpointBody>(`/endpoints/${pathSegment(name)}`).catch((error: unknown) => {
    if (error instanceof ServerError && error.status === 404) return null;
    throw error;
  });
}

async function deploy(client: Client, name: string): Promise<EndpointBody> {
  const body = await readFile(fixtureFile(name));
  const { version } = await client.post<{ version: { version: number } }>(`/groups/${pathSegment(name)}/versions`, {
    query: { reuse: true },
    body,
  });
  await client.post(`/groups/${pathSegment(name)}/versions/${version.version}/approval`, { json: { approval: 'Approved' } });
  return client.post<EndpointBody>('/endpoints', { json: { name, variants: [{ model: `${name}/${version.version}` }] } });
}
