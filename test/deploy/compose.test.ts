/** The compose file parses, its services refer to what it defines, and the program accepts their command lines. No container engine starts it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';
import { commandLineError } from './command-lines.ts';

const path = join(import.meta.dirname, '../../deploy/compose/compose.yaml');

const healthcheck = z.strictObject({
  test: z.array(z.string()).optional(),
  interval: z.string().optional(),
  timeout: z.string().optional(),
  start_period: z.string().optional(),
  disable: z.boolean().optional(),
});
const service = z.strictObject({
  image: z.string(),
  user: z.string().optional(),
  restart: z.enum(['unless-stopped', 'on-failure']).optional(),
  depends_on: z
    .record(z.string(), z.strictObject({ condition: z.enum(['service_healthy', 'service_completed_successfully']) }))
    .default({}),
  environment: z.record(z.string(), z.string()).default({}),
  shm_size: z.string().optional(),
  stop_grace_period: z.string().optional(),
  healthcheck: healthcheck.optional(),
  entrypoint: z.array(z.string()).optional(),
  command: z.array(z.string()).default([]),
  ports: z.array(z.string().regex(/^127\.0\.0\.1:\d+:\d+$/)).default([]),
  volumes: z.array(z.string()).default([]),
});
const file = z.strictObject({
  name: z.literal('penstock'),
  'x-node': z.unknown(),
  'x-host': z.unknown(),
  'x-later-node': z.unknown(),
  services: z.record(z.string(), service),
  volumes: z.record(z.string(), z.null()),
});

const { services, volumes } = file.parse(parse(readFileSync(path, 'utf8'), { merge: true }));

/** The arguments of each `penstock ARGS` in a service, also in a shell's line. */
function penstockCalls({ image, entrypoint, command }: z.infer<typeof service>): string[][] {
  if (image !== 'penstock') return [];
  if (entrypoint === undefined) return [command];
  assert.deepEqual(entrypoint, ['sh', '-c']);
  const line = command[0] ?? '';
  return [...line.matchAll(/\bpenstock ([^>;|&)"\n]+)/g)].map(([, args = '']) => args.trim().split(' '));
}

test('each penstock of the compose file would start', async () => {
  const calls = Object.values(services).flatMap((each) => penstockCalls(each).map((args) => ({ args, env: each.environment })));
  assert.equal(calls.length, 7, 'three nodes, two for the token, and two hosts');
  for (const { args, env } of calls) assert.equal(await commandLineError(args, env), null, args.join(' '));
});

test('services of the compose file depend on services and volumes that it has', () => {
  for (const [name, { depends_on, volumes: mounts }] of Object.entries(services)) {
    for (const [other, { condition }] of Object.entries(depends_on)) {
      assert(other in services, `${name} depends on ${other}`);
      const hasHealth = services[other]?.healthcheck?.test !== undefined;
      assert(condition !== 'service_healthy' || hasHealth, `${other} reports no health, for which ${name} waits`);
    }
    for (const mount of mounts) assert((mount.split(':')[0] ?? '') in volumes, `${name} mounts ${mount}`);
  }
});

test('the ports and names of nodes in the compose file differ', () => {
  const nodes = Object.entries(services).filter(([, { command }]) => command[0] === 'up');
  assert.deepEqual(
    nodes.map(([, { command }]) => command.find((arg) => arg.startsWith('--node='))),
    nodes.map(([name]) => `--node=${name}`),
  );
  assert.equal(new Set(nodes.flatMap(([, { ports }]) => ports)).size, nodes.length);
});
