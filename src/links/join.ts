/** How a host gets its certificates: the first with a token, each further one with the one before. The private keys stay on the host. */
import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import { isRetried } from './answers.ts';
import { certificateRequest, newPrivateKey } from './certificates.ts';
import type { HomeDialer } from './home-dialer.ts';
import { authorityHash, type JoinToken } from './join-token.ts';
import { openLink } from './link-attempt.ts';
import { certificatesOf, type LinkIdentity, provenPeer } from './link-peer.ts';

const attemptMs = 10_000;
const pauseMs = 1000;

/** A certificate of a host, and where it finds the nodes. */
export interface HostMembership {
  readonly identity: LinkIdentity;
  /** `HOST:PORT`, the home first. */
  readonly nodes: readonly string[];
}

/**
 * Resolves with the first certificate of the host `name`. Tries the nodes of the token until one answers, or `signal` is aborted. Throws
 * what a node refuses for good: `forbidden` for a token that does not count, `already_exists` for a name in use.
 */
export async function joinWithToken(
  { id, secret, authorities, nodes }: JoinToken,
  { name, clock, signal }: { readonly name: string; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<HostMembership> {
  const key = newPrivateKey();
  const introduction = { kind: 'join', id, secret, name, request: await certificateRequest(key) };
  // Nothing is known of the node yet but the hash in the token, so TLS itself cannot check it.
  const tls = { rejectUnauthorized: false };
  const check = (socket: TLSSocket): string | null => pinnedNodeReason(socket, authorities, clock.wallMs());
  let last = 'no address of a node is known';
  while (!signal.aborted) {
    for (const address of nodes) {
      const tried = await openLink({ clock, address, tls, check, introduction, limitMs: attemptMs, signal });
      if (typeof tried === 'string') {
        last = `${address}: ${tried}`;
        continue;
      }
      tried.socket.on('error', () => undefined).destroy();
      if ('ok' in tried.answer) return membershipOf(tried.answer, key);
      if ('moved' in tried.answer) last = `${address}: it answers no requests to join yet`;
      else if (isRetried(tried.answer.code)) last = `${address}: ${tried.answer.refused}`;
      else throw new PlatformError(tried.answer.code, `failed to join the cluster: ${tried.answer.refused}`);
    }
    await new Promise<void>((resolve) => {
      const cancel = clock.after(pauseMs, resolve);
      signal.addEventListener('abort', () => (cancel(), resolve()), { once: true });
    });
  }
  throw new PlatformError('unavailable', `failed to join the cluster: ${last}`);
}

/** The next certificate, for a new key. Throws as `HomeDialer.request`. */
export async function renewMembership(dialer: HomeDialer, signal: AbortSignal): Promise<HostMembership> {
  const key = newPrivateKey();
  return membershipOf(await dialer.request('renew', { request: await certificateRequest(key) }, signal), key);
}

/** `HOST:PORT` of all nodes, the home first. Throws as `HomeDialer.request`. */
export async function presentNodes(dialer: HomeDialer, signal: AbortSignal): Promise<readonly string[]> {
  const { nodes } = await dialer.request('nodes', {}, signal);
  return Array.isArray(nodes) ? nodes.map(String) : [];
}

function membershipOf({ cert, authorities, nodes }: Readonly<Record<string, unknown>>, key: string): HostMembership {
  if (typeof cert !== 'string' || typeof authorities !== 'string' || !Array.isArray(nodes)) {
    throw new PlatformError('unavailable', 'the node answered without a certificate: is its version older than that of this host?');
  }
  return { identity: { cert, key, authorities }, nodes: nodes.map(String) };
}

/** Why the other side is not a node of the cluster whose authority has one of these hashes; null if it is one. */
function pinnedNodeReason(socket: TLSSocket, authorities: readonly string[], wallMs: number): string | null {
  const chain = socket.getPeerCertificate(true);
  const issuer = chain.issuerCertificate?.raw;
  if (chain.raw === undefined || issuer === undefined) return 'it did not send the certificate of its authority';
  try {
    const authority = new X509Certificate(issuer);
    if (!authorities.includes(authorityHash(authority))) return 'its authority is not the one that the token names';
    const { role, name } = provenPeer(new X509Certificate(chain.raw), [authority], wallMs);
    return role === 'node' ? null : `it is the host ${name}, not a node`;
  } catch (error) {
    return messageOf(error);
  }
}

/** When half of the life of the certificate is over, epoch milliseconds. */
export function renewalTimeMs({ cert }: Pick<LinkIdentity, 'cert'>): number {
  const [{ validFrom, validTo } = { validFrom: '', validTo: '' }] = certificatesOf(cert);
  return (Date.parse(validFrom) + Date.parse(validTo)) / 2;
}
