/** What the listener is opened with, and the handlers that are mounted on it. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Access } from '../../access/index.ts';
import type { Clock } from '../../clock.ts';
import type { Log } from '../../logs/index.ts';
import type { WriteAccess } from '../access-log.ts';
import type { FrontPort } from './front-port.ts';
import type { ListenerLimits } from './listener-limits.ts';
import type { Certificate } from './self-signed.ts';

/** Where it listens, and what it passes requests through. */
export interface ListenerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Null: plain HTTP, allowed only on loopback addresses. */
  readonly tls: Certificate | null;
  readonly limits?: Partial<ListenerLimits>;
  readonly access: Pick<Access, 'authenticate'>;
  readonly log: Log;
  /** Called at the end of each control call. Optional. */
  readonly writeAccess?: WriteAccess;
  readonly clock: Clock;
  /** The processes that hold the port; null: the listener itself. */
  readonly fronts?: FrontPort | null;
}

/** `path` is the URL without its query, still percent-encoded. */
export type DirectHandler = (request: IncomingMessage, response: ServerResponse, path: string, query: string) => void;

/** The parts of a request needed for authentication, for HTTP and gRPC. */
export interface CallingRequest {
  readonly headers: IncomingHttpHeaders;
  readonly socket: Pick<Socket, 'remoteAddress'> & Partial<Pick<Socket, 'remotePort' | 'localAddress' | 'localPort'>>;
  readonly method?: string | undefined;
}

/** Recognizes requests by more than their path. Runs for every request, so it must be cheap. */
export type Claim = (request: IncomingMessage) => boolean;
