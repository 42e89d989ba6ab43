/** The body of the server's status. */
import { z } from 'zod';

const isolationBody = z
  .strictObject({
    mode: z.enum(['root', 'user', 'landlock', 'none', 'unavailable']),
    own_users: z.boolean().describe('Each worker that runs foreign code has its own user id.'),
    reason: z.string().nullable().describe('Why a stronger mode is not used.'),
    advice: z.string().nullable().describe('How to enable a stronger mode.'),
  })
  .describe('Isolation of code that comes with models from the server.');

const forkServerBody = z
  .strictObject({
    interpreter: z.string(),
    threads: z.number(),
    state: z.enum(['starting', 'ready', 'resting']).describe('`resting`: it failed, and workers are spawned until it is tried again.'),
    pid: z.number().nullable(),
    rss_bytes: z.number().nullable(),
    worker_count: z.number().describe('Running workers that it forked.'),
    note: z.string().nullable().describe('Why it rests.'),
  })
  .describe('A process that has the libraries of a Python environment imported, and forks workers.');

export const statusBody = z.strictObject({
  version: z.string(),
  node: z.string(),
  ready: z.boolean(),
  started_at: z.iso.datetime(),
  uptime_s: z.number(),
  cores: z.number(),
  processor_ms: z
    .strictObject({ used: z.number(), available: z.number(), own: z.number() })
    .nullable()
    .describe(
      'Processor time of the machine since it started, in milliseconds: used by all processes, available, and used by the server and its workers. For differences; null if unknown.',
    ),
  data_directory: z.string().nullable().describe('Absolute path; null without the permission `administer`.'),
  cluster: z.boolean().describe('Whether it is a node of a cluster.'),
  lost_hosts: z.number().describe('Hosts of the cluster that are lost. See the notes.'),
  waiting_workers: z.number().describe('Workers that no host of the cluster has room for.'),
  grpc: z.string().nullable().describe('Address of the gRPC server, host:port; null if gRPC is off.'),
  rss_bytes: z.number(),
  endpoints: z.record(z.string(), z.number()).describe('Number of endpoints by status.'),
  executors: z.strictObject({ ready: z.number(), starting: z.number(), failed: z.number() }),
  workers_rss_bytes: z.number(),
  isolation: isolationBody.nullable(),
  fork_servers: z.array(forkServerBody),
  notes: z.array(z.string()),
});

export type StatusBody = z.infer<typeof statusBody>;
