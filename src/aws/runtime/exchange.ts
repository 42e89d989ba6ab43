/** One invocation in progress, and the route that serves it. */
import type { ServerResponse } from 'node:http';
import type { TraceContext } from '../../logs/index.ts';
import type { ServedRoute } from '../../serving/index.ts';
import type { VerifiedRequest } from '../service.ts';
import type { InvocationMembers } from './request-members.ts';
import type { RuntimePath } from './runtime-path.ts';

/** What all kinds of invocation have in common. */
export interface RuntimeCall {
  readonly request: VerifiedRequest;
  readonly response: ServerResponse;
  readonly runtimePath: RuntimePath;
  readonly members: InvocationMembers;
  readonly route: ServedRoute;
  /** null if the request is not traced. */
  readonly trace: TraceContext | null;
}
