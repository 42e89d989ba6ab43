/** Answers hosts that ask for certificates. Each node does, the home or not. */
import { FailedAttempts } from '../access/index.ts';
import type { Clock } from '../clock.ts';
import { asPlatformError, PlatformError } from '../errors.ts';
import { type LinkPort, type LinkRequest, peerName, requestedKey } from '../links/index.ts';
import { Audit } from '../records/index.ts';
import { type Database, inTransaction } from '../storage/index.ts';
import type { Authority, IssuedCertificate } from './authority.ts';
import type { HostCertificates } from './host-certificates.ts';
import type { JoinTokens } from './join-tokens.ts';

export interface JoinDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly authority: Authority;
  readonly tokens: JoinTokens;
  readonly hosts: HostCertificates;
  /** `HOST:PORT` of all nodes, the home first. */
  readonly nodes: () => readonly string[];
}

/** Text of a request for a certificate on P-256: about 400 bytes. */
const requestLengthMax = 4096;

export function serveJoins(port: LinkPort, deps: JoinDeps): void {
  const attempts = new FailedAttempts(deps.clock, 'join tokens from this address: create one with `penstock cluster token create`');
  port.answer('join', 'anyone', async (request) => {
    const refusal = attempts.check(request.address);
    if (refusal !== null) throw refusal;
    try {
      return answerOf(await join(request, deps), deps);
    } catch (error) {
      // The same text for every wrong token; other failures are not those of the caller.
      if (asPlatformError(error).code === 'forbidden') attempts.add(request.address);
      throw error;
    }
  });
  port.answer('nodes', ['host', 'node'], async () => ({ nodes: deps.nodes() }));
  port.answer('renew', ['host'], async (request) => answerOf(await renew(request, deps), deps));
}

async function join({ introduction, address }: LinkRequest, deps: JoinDeps): Promise<IssuedCertificate> {
  const { db, clock, authority, tokens, hosts } = deps;
  const id = textOf(introduction.id, 'id');
  const name = textOf(introduction.name, 'name');
  if (!peerName.test(name)) {
    throw new PlatformError('invalid_request', 'expected a host name of letters, digits and hyphens, at most 63');
  }
  await tokens.check(id, textOf(introduction.secret, 'secret'), name);
  const issued = await authority.issue({ role: 'host', name }, await requestedKey(textOf(introduction.request, 'request')));
  await inTransaction(db, async (tx) => {
    const isForHost = await tokens.use(tx, id);
    await hosts.claim(tx, { ...issued, name }, isForHost);
    const detail = { token: id, address, replaced: isForHost };
    await new Audit(db, clock).record(tx, { who: `host ${name}`, action: 'JoinHost', target: name, outcome: 'ok', detail });
  });
  return issued;
}

async function renew({ peer, serial, introduction }: LinkRequest, { authority, hosts }: JoinDeps): Promise<IssuedCertificate> {
  if (peer === null || serial === null) throw new PlatformError('forbidden', 'a certificate is renewed with the one before');
  const issued = await authority.issue(peer, await requestedKey(textOf(introduction.request, 'request')));
  await hosts.renew({ ...issued, name: peer.name }, serial);
  return issued;
}

function answerOf({ cert, authorities }: IssuedCertificate, { nodes }: JoinDeps): object {
  return { cert, authorities, nodes: nodes() };
}

function textOf(value: unknown, field: string): string {
  if (typeof value === 'string' && value.length <= requestLengthMax) return value;
  throw new PlatformError('invalid_request', `expected a text of at most ${requestLengthMax} characters in ${field}`);
}
