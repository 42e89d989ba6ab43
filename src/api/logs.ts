/** Routes of the two logs: the last lines, and the lines that come. */
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { z } from 'zod';
import { logBody } from './bodies.ts';
import { followLines, lastLines } from './log-file.ts';
import { endpointPath, switchParameter } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';
import type { Streams } from './streams.ts';

const linesQuery = z.strictObject({
  limit: z.coerce.number().int().min(0).max(10_000).default(100).describe('How many lines of the past.'),
  follow: switchParameter.describe('Go on with the lines that come, as Server-Sent Events: each `data` is a line.'),
});
const logQuery = linesQuery.extend({
  log: z.enum(['platform', 'requests']).default('platform'),
  endpoint: z.string().optional().describe('Only lines about this endpoint.'),
});

interface Asked {
  readonly log: 'platform' | 'requests';
  readonly endpoint: string | undefined;
  readonly limit: number;
  readonly follow: boolean;
}

type Answer = z.input<typeof logBody> | undefined;

export function logRoutes(services: ApiServices, streams: Streams): Route[] {
  const { deployments, logDirectory, flushLogs, clock } = services;
  const read = async (asked: Asked, response: ServerResponse, requestId: string): Promise<Answer> => {
    if (logDirectory === null) return { items: [] };
    const path = join(logDirectory, `${asked.log}.log`);
    const wants = wanted(asked.endpoint);
    await flushLogs();
    const { lines, endBytes } = await lastLines(path, asked.limit, wants);
    if (!asked.follow) return { items: lines.map((line) => ({ line })) };
    const stream = streams.open(response, requestId);
    for (const line of lines) stream.send({ data: line });
    stream.onEnd(followLines(path, endBytes, clock, (line) => stream.send({ data: line }), wants));
    return undefined;
  };
  return [
    route('GET /logs', {
      summary: 'Read the log of the server, or of its requests',
      query: logQuery,
      answer: logBody,
      streams: true,
      handle: ({ query, response, requestId }) => read({ ...query, endpoint: query.endpoint }, response, requestId),
    }),
    route('GET /endpoints/:endpoint/logs', {
      summary: 'Read the log of the requests to an endpoint',
      params: endpointPath,
      query: linesQuery,
      answer: logBody,
      streams: true,
      handle: ({ params: { endpoint }, query, response, requestId }) => {
        deployments.get(endpoint); // an unknown endpoint is refused, rather than shown as one without requests
        return read({ ...query, log: 'requests', endpoint }, response, requestId);
      },
    }),
  ];
}

function wanted(endpoint: string | undefined): (line: string) => boolean {
  if (endpoint === undefined) return () => true;
  const name = endpoint.toLowerCase();
  return (line) => {
    if (!line.toLowerCase().includes(name)) return false;
    try {
      const fields = JSON.parse(line) as { readonly endpoint?: unknown };
      return typeof fields.endpoint === 'string' && fields.endpoint.toLowerCase() === name;
    } catch {
      return false;
    }
  };
}
