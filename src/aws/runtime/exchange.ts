/** One invocation on its way, and what serves it. */
import type { ServerResponse } from 'node:http';
import type { SeenCall, TraceContext } from '../../monitoring/index.ts';
import type { Route, Serving } from '../../serving/index.ts';
import type { VerifiedRequest } from '../service.ts';
import type { RuntimePlace } from './place.ts';
import type { InvocationMembers } from './request-members.ts';

export interface Exchange {
  readonly request: VerifiedRequest;
  readonly response: ServerResponse;
  readonly place: RuntimePlace;
  readonly members: InvocationMembers;
  readonly route: Route;
  /** Null where it is not traced. */
  readonly trace: TraceContext | null;
}

export interface InvocationTerms {
  readonly serving: Pick<Serving, 'invoke' | 'reject' | 'endpoint'>;
  /** The longest it may take, from its arrival. */
  readonly timeoutMs: number;
  readonly arrivedAtMs: number;
  /** When its head came. */
  readonly cameAtMs: number;
  /** Is told of it; null where nobody looks. */
  readonly seen: SeenCall | null;
}
