import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { LinkedCluster } from '../../test/authority-fixture.ts';
import { type PostgresServer, startPostgres, whyNoPostgres } from '../../test/postgres-server.ts';
import { SystemClock, VirtualClock } from '../clock.ts';
import { Member, removeNode } from '../cluster/index.ts';
import {
  certificatesOf,
  HomeDialer,
  HostIdentity,
  introductionBytes,
  joinTokenText,
  parseJoinToken,
  readIntroduction,
} from '../links/index.ts';
import { SeededRandom } from '../random.ts';
import { inTransaction } from '../storage/index.ts';
import { Authority } from './authority.ts';
import type { NodeLinks } from './node-links.ts';

const soon = (): AbortSignal => AbortSignal.timeout(20_000);
const hourMs = 3_600_000;

function serveHosts({ port }: NodeLinks): void {
  port.serve('host', ['host'], (socket) => void socket.on('error', () => undefined).resume());
  port.becomeHome();
}

/** An introduction without a certificate, and its answer. */
async function requestWithout(
  { address }: NodeLinks,
  introduction: object,
): Promise<{ readonly refused?: string; readonly code?: string }> {
  const [host, port] = address.split(':');
  const socket = connect({ host, port: Number(port), rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  socket.write(introductionBytes(introduction));
  const answer = await new Promise((resolve) => readIntroduction(socket, resolve));
  socket.destroy();
  return answer as { readonly refused?: string; readonly code?: string };
}

async function closed(socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    socket.on('error', () => undefined).on('close', () => resolve());
    socket.resume();
  });
}

describe('the authority of a cluster on one PostgreSQL', { skip: whyNoPostgres() }, () => {
  let server: PostgresServer;
  before(async () => {
    server = await startPostgres(await mkdtemp(join(tmpdir(), 'penstock-authority-')));
  });
  after(async () => server?.stop());

  test('is made once by nodes that start at the same time, and each of them accepts the others', async (t) => {
    const cluster = await LinkedCluster.create(t, server);
    const nodes = await Promise.all(['a', 'b', 'c', 'd'].map((name) => cluster.node(name)));
    const trusted = nodes.map(({ links }) => links.authority.trusted);
    assert.equal(new Set(trusted).size, 1);
    assert.equal(certificatesOf(trusted[0] ?? '').length, 1);
  });

  test('has its key encrypted: another cluster key, or another certificate in its place, is refused', async (t) => {
    const cluster = await LinkedCluster.create(t, server);
    const { db, links } = await cluster.node('a');
    const clock = new SystemClock();
    const row = await db.selectFrom('cluster_authorities').selectAll().executeTakeFirstOrThrow();
    assert.ok(!JSON.stringify(row).includes('PRIVATE'));
    await assert.rejects(Authority.open({ db, clock, clusterKeys: [Buffer.alloc(32, 8)] }), {
      code: 'wrong_state',
      message: /cluster key/,
    });
    const foreign = await LinkedCluster.create(t, server);
    const { links: others } = await foreign.node('x');
    await db.updateTable('cluster_authorities').set({ cert: others.authority.issuer }).execute();
    await assert.rejects(links.refresh(), { code: 'wrong_state' });
    await assert.rejects(Authority.open({ db, clock, clusterKeys: cluster.clusterKeys }), { code: 'wrong_state' });
  });

  test('a host joins with a token at a node that stands by, links to the home, and needs no token after a restart', async (t) => {
    const cluster = await LinkedCluster.create(t, server);
    const { links: home, db } = await cluster.node('a');
    const { links: standby } = await cluster.node('b');
    serveHosts(home);
    const token = await cluster.token(standby);
    const { id, secret, authorities } = parseJoinToken(token);
    const atStandby = joinTokenText({ id, secret, authorities, nodes: [standby.address] });
    const host = await cluster.host('h1', atStandby);
    (await host.dialer.dial('host', {}, soon())).destroy();
    await host.close();
    assert.equal(statSync(join(cluster.folder, 'h1')).mode & 0o777, 0o600);
    const again = await cluster.host('h1', null);
    (await again.dialer.dial('host', {}, soon())).destroy();
    const audit = await db.selectFrom('audit').select(['who', 'action', 'detail']).execute();
    assert.deepEqual(
      audit.map(({ who, action }) => [who, action]),
      [['host h1', 'JoinHost']],
    );
    assert.ok(!JSON.stringify(audit).includes(secret));
    const stored = await db.selectFrom('cluster_join_tokens').selectAll().execute();
    assert.ok(!JSON.stringify(stored).includes(secret));
    await assert.rejects(cluster.host('h2', null), { code: 'wrong_state', message: /--join TOKEN/ });
  });

  test('a token counts as often as it says, however many hosts use it at once at two nodes', async (t) => {
    const cluster = await LinkedCluster.create(t, server);
    const { links } = await cluster.node('a');
    await cluster.node('b');
    const { nodes, ...rest } = parseJoinToken(await cluster.token(links, { usesMax: 3 }));
    const joined = await Promise.allSettled(
      Array.from({ length: 10 }, (_, each) => cluster.host(`h${each}`, joinTokenText({ ...rest, nodes: [nodes[each % 2] ?? ''] }))),
    );
    assert.equal(joined.filter(({ status }) => status === 'fulfilled').length, 3);
  });

  test('a token that is unknown, guessed, expired, used up, revoked, or for another host gets one and the same refusal', async (t) => {
    const cluster = await LinkedCluster.create(t, server);
    const { links, db } = await cluster.node('a');
    const used = await cluster.token(links);
    await cluster.host('first', used);
    const expired = parseJoinToken(await cluster.token(links));
    await db.updateTable('cluster_join_tokens').set({ expires_at: 1 }).where('id', '=', expired.id).execute();
    const revoked = parseJoinToken(await cluster.token(links));
    await links.tokens.revoke(revoked.id);
    const valid = parseJoinToken(await cluster.token(links));
    const bound = parseJoinToken(await cluster.token(links, { host: 'only' }));
    const refusals = new Set<string>();
    for (const { id, secret } of [
      { id: 'unknown', secret: 'guess' },
      { id: valid.id, secret: 'guess' },
      { id: valid.id, secret: `${valid.secret}x` },
      { id: valid.id, secret: '' },
      expired,
      parseJoinToken(used),
      revoked,
      bound,
    ]) {
      const { refused, code } = await requestWithout(links, { kind: 'join', id, secret, name: 'h9', request: 'none' });
      assert.equal(code, 'forbidden');
      refusals.add(refused ?? '');
    }
    assert.equal(refusals.size, 1, [...refusals].join('\n'));
    await assert.rejects(links.tokens.revoke('unknown'), { code: 'not_found' });
    assert.deepEqual((await links.tokens.list()).map(({ id }) => id).sort(), [valid.id, bound.id].sort());
  });

  test('an address that sends many wrong tokens is refused without a look at the next ones', async (t) => {
    const cluster = await LinkedCluster.create(t, server);
    const { links } = await cluster.node('a');
    const codes: (string | undefined)[] = [];
    for (let each = 0; each < 40; each++) {
      codes.push((await requestWithout(links, { kind: 'join', id: 'i', secret: String(each), name: 'h', request: '' })).code);
    }
    assert.equal(codes[0], 'forbidden');
    assert.equal(codes.at(-1), 'overloaded');
  });

  for (const { what, introduction } of [
    { what: 'a request that is no request', introduction: { name: 'h1', request: '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END' } },
    { what: 'a very long request', introduction: { name: 'h1', request: 'x'.repeat(60_000) } },
    { what: 'a name that is none', introduction: { name: 'h1, URI:penstock://cluster/node/n1', request: '' } },
    { what: 'no name', introduction: { request: '' } },
  ]) {
    test(`${what} is refused, and the token still counts`, async (t) => {
      const cluster = await LinkedCluster.create(t, server);
      const { links } = await cluster.node('a');
      const { id, secret } = parseJoinToken(await cluster.token(links));
      const { code } = await requestWithout(links, { kind: 'join', id, secret, ...introduction });
      assert.equal(code, 'invalid_request');
      assert.equal((await links.tokens.list())[0]?.uses, 0);
    });
  }

  test('a second host of one name is refused and told why; a token for that name replaces the first at once', async (t) => {
    const cluster = await LinkedCluster.create(t, server);
    const { links } = await cluster.node('a');
    serveHosts(links);
    const first = await cluster.host('h1', await cluster.token(links));
    const link = await first.dialer.dial('host', {}, soon());
    const token = await cluster.token(links);
    await assert.rejects(cluster.host('h1', token, { file: 'second' }), { code: 'already_exists', message: /is named h1: choose another/ });
    assert.equal((await links.tokens.list())[0]?.uses, 0, 'the token still counts');
    const second = await cluster.host('h1', await cluster.token(links, { host: 'h1' }), { file: 'second' });
    await assert.rejects(first.dialer.dial('host', {}, soon()), { code: 'forbidden', message: /was replaced/ });
    await Promise.all([closed(link), links.refresh()]);
    (await second.dialer.dial('host', {}, soon())).destroy();
  });

  test('a removed host is refused at each node, its links end, and it cannot renew', async (t) => {
    const cluster = await LinkedCluster.create(t, server);
    const { links } = await cluster.node('a');
    const { links: other } = await cluster.node('b');
    serveHosts(links);
    const host = await cluster.host('h1', await cluster.token(links));
    const link = await host.dialer.dial('host', {}, soon());
    await other.hosts.remove('h1');
    await Promise.all([closed(link), links.refresh()]);
    await assert.rejects(host.dialer.dial('host', {}, soon()), { code: 'forbidden' });
    await assert.rejects(host.dialer.request('renew', { request: '' }, soon()), { code: 'forbidden' });
    await assert.rejects(other.hosts.remove('h1'), { code: 'not_found' });
  });

  test('the name of a removed host is for a token of that name alone, also after an urgent rotation', async (t) => {
    const cluster = await LinkedCluster.create(t, server);
    const { links } = await cluster.node('a');
    serveHosts(links);
    await cluster.host('h1', await cluster.token(links));
    await links.hosts.remove('h1');
    const same = await cluster.host('h1', await cluster.token(links)); // it has its old certificate
    await assert.rejects(same.dialer.dial('host', {}, soon()), { code: 'forbidden' });
    for (const rotates of [false, true]) {
      if (rotates) await links.authority.rotate(true);
      await links.refresh();
      const joining = cluster.host('h1', await cluster.token(links), { file: 'another' });
      await assert.rejects(joining, { code: 'already_exists', message: /the host h1 was removed from this cluster: .* --name h1`$/ });
      assert.equal((await links.tokens.list())[0]?.uses, 0, 'the token still counts');
    }
    const back = await cluster.host('h1', await cluster.token(links, { host: 'h1' }), { file: 'another' });
    (await back.dialer.dial('host', {}, soon())).destroy();
  });

  test('a removed node is refused and its links end, until it is started again', async (t) => {
    const cluster = await LinkedCluster.create(t, server);
    const { links, db } = await cluster.node('a');
    const { links: other } = await cluster.node('b');
    links.port.serve('front', ['node'], (socket) => void socket.on('error', () => undefined).resume());
    links.port.becomeHome();
    const lease = { expires_at: 1, joined_at: 1, version: '0', draining: 0, clock_offset: 0 };
    await db
      .insertInto('cluster_nodes')
      .values({ name: 'b', number: 1, incarnation: 1, state: 'dead', ...lease })
      .execute();
    const dialer = new HomeDialer({ clock: new SystemClock(), random: new SeededRandom(1), addresses: [links.address] });
    dialer.setIdentity(other.identity);
    const link = await dialer.dial('front', {}, soon());
    await inTransaction(db, (tx) => removeNode(tx, 'b'));
    await Promise.all([closed(link), links.refresh()]);
    await assert.rejects(dialer.dial('front', {}, soon()), { code: 'forbidden', message: /the node b was removed from the cluster/ });
    await Member.join({ db, clock: new SystemClock(), node: { name: 'b', version: '0' }, handlers: null, onFailure: assert.ifError });
    (await dialer.dial('front', {}, soon())).destroy();
  });

  test('a host renews its certificate, and the one before still counts, since an answer may be lost', async (t) => {
    const cluster = await LinkedCluster.create(t, server);
    // Certificates are valid by the real clock as well, so the virtual one is behind it.
    const clock = new VirtualClock(Date.now() - 13 * hourMs);
    const { links: earlier } = await cluster.node('b', clock);
    const { links } = await cluster.node('a');
    serveHosts(earlier);
    const { cert, authorities } = links.identity;
    assert.ok(cert.endsWith(authorities));
    const token = parseJoinToken(await cluster.token(links));
    const host = await cluster.host('h1', joinTokenText({ ...token, nodes: [earlier.address] }), { clock });
    const stored = (): string => readFileSync(join(cluster.folder, 'h1'), 'utf8');
    const before = stored();
    await host.renewIfDue();
    assert.equal(stored(), before, 'not yet due');
    clock.advance(13 * hourMs);
    await host.renewIfDue();
    assert.notEqual(stored(), before);
    (await host.dialer.dial('host', {}, soon())).destroy();
    host.dialer.setIdentity((JSON.parse(before) as { readonly identity: Parameters<typeof host.dialer.setIdentity>[0] }).identity);
    (await host.dialer.dial('host', {}, soon())).destroy();
  });

  test('a host learns where the nodes are now, and a restarted node is where it was', async (t) => {
    const cluster = await LinkedCluster.create(t, server);
    const { links, db } = await cluster.node('a');
    const host = await cluster.host('h1', await cluster.token(links));
    const { links: later } = await cluster.node('b');
    await host.refresh();
    assert.match(readFileSync(join(cluster.folder, 'h1'), 'utf8'), new RegExp(later.address));
    await host.close();
    const [first = ''] = cluster.addresses.splice(0, 1); // it runs no more
    await host.learn(cluster.addresses);
    assert.deepEqual(JSON.parse(readFileSync(join(cluster.folder, 'h1'), 'utf8')).nodes, [later.address]);
    const { configured } = JSON.parse(readFileSync(join(cluster.folder, 'h1'), 'utf8')) as { readonly configured: readonly string[] };
    assert.deepEqual(configured, [first], 'it is kept as a last resort');
    await db
      .insertInto('cluster_nodes')
      .values({
        name: 'b',
        number: 1,
        incarnation: 1,
        state: 'live',
        expires_at: 1,
        joined_at: 1,
        version: '0',
        draining: 0,
        address: later.address,
      })
      .execute();
    await later.close();
    const { links: again } = await cluster.node('b');
    assert.equal(again.address, later.address);
    const { links: third } = await cluster.node('b');
    assert.notEqual(third.address, later.address, 'the port is taken, so another one is used');
  });

  test('a host joins again with another token, as after an urgent rotation, or keeps its certificate if it has the name itself', async (t) => {
    const cluster = await LinkedCluster.create(t, server);
    const { links } = await cluster.node('a');
    serveHosts(links);
    const first = await cluster.token(links);
    await (await cluster.host('h1', first)).close();
    await (await cluster.host('h1', first)).close();
    const own = await cluster.host('h1', await cluster.token(links));
    (await own.dialer.dial('host', {}, soon())).destroy();
    await own.close();
    await links.authority.rotate(true);
    await links.refresh();
    const again = await cluster.host('h1', await cluster.token(links));
    (await again.dialer.dial('host', {}, soon())).destroy();
  });

  test('a node renews its own certificate at half of its life, and its open links stay', async (t) => {
    const cluster = await LinkedCluster.create(t, server);
    const clock = new VirtualClock(Date.now() - 13 * hourMs);
    const { links } = await cluster.node('a', clock);
    serveHosts(links);
    const { links: other } = await cluster.node('b');
    const host = await cluster.host('h1', await cluster.token(other));
    const link = await host.dialer.dial('host', {}, soon());
    const { cert } = links.identity;
    const identities: string[] = [];
    links.onIdentity((identity) => identities.push(identity.cert));
    await links.refresh();
    assert.equal(links.identity.cert, cert);
    clock.advance(13 * hourMs);
    await links.refresh();
    assert.notEqual(links.identity.cert, cert);
    assert.ok(identities.includes(links.identity.cert));
    assert.equal(links.port.peers.length, 1);
    link.destroy();
    (await host.dialer.dial('host', {}, soon())).destroy();
  });

  test('a new authority is trusted by all nodes at once, and issues only a day later', async (t) => {
    const cluster = await LinkedCluster.create(t, server);
    const { links } = await cluster.node('a');
    const { links: other } = await cluster.node('b');
    serveHosts(links);
    const host = await cluster.host('h1', await cluster.token(links));
    const link = await host.dialer.dial('host', {}, soon());
    const { issuer } = links.authority;
    assert.equal((await other.authority.rotate(false)).number, 2);
    await links.refresh();
    assert.equal(links.authority.issuer, issuer);
    assert.equal(certificatesOf(links.identity.authorities).length, 2);
    assert.equal(links.port.peers.length, 1, 'links stay');
    assert.ok(!link.destroyed);
    (await (await cluster.host('h2', await cluster.token(links))).dialer.dial('host', {}, soon())).destroy();
    await assert.rejects(other.authority.rotate(false), { code: 'wrong_state', message: /issues certificates from/ });
    link.destroy();
  });

  test('an urgent rotation ends everything that the authority before has issued', async (t) => {
    const cluster = await LinkedCluster.create(t, server);
    const { links } = await cluster.node('a');
    const { links: other } = await cluster.node('b');
    serveHosts(links);
    const host = await cluster.host('h1', await cluster.token(links));
    const link = await host.dialer.dial('host', {}, soon());
    await other.authority.rotate(true);
    await Promise.all([closed(link), links.refresh()]);
    const over = new AbortController();
    const dial = host.dialer.dial('host', {}, over.signal);
    setImmediate(() => over.abort());
    await assert.rejects(dial, { code: 'unavailable' });
    const again = await cluster.host('h1', await cluster.token(links), { file: 'again' });
    (await again.dialer.dial('host', {}, soon())).destroy();
  });

  test('is encrypted again with a new cluster key, after which the old one opens nothing', async (t) => {
    const cluster = await LinkedCluster.create(t, server);
    const { db, links } = await cluster.node('a');
    const clock = new SystemClock();
    const [old] = cluster.clusterKeys;
    const next = Buffer.alloc(32, 9);
    const both = await Authority.open({ db, clock, clusterKeys: [next, old] });
    assert.equal(both.trusted, links.authority.trusted);
    await assert.rejects(Authority.open({ db, clock, clusterKeys: [next] }), { code: 'wrong_state' });
    assert.equal(await both.reseal(), 1);
    await assert.rejects(Authority.open({ db, clock, clusterKeys: [old] }), { code: 'wrong_state' });
    assert.equal((await Authority.open({ db, clock, clusterKeys: [next] })).trusted, both.trusted);
  });

  test('a host gives the secret of its token to no node but one of its cluster', async (t) => {
    const cluster = await LinkedCluster.create(t, server);
    const { links } = await cluster.node('a');
    const foreign = await LinkedCluster.create(t, server);
    const { links: intruder } = await foreign.node('a');
    let isReached = false;
    intruder.port.answer('join', 'anyone', async () => {
      isReached = true;
      return {};
    });
    const token = parseJoinToken(await cluster.token(links));
    const over = new AbortController();
    const joining = HostIdentity.open({
      clock: new SystemClock(),
      random: new SeededRandom(1),
      file: join(cluster.folder, 'h1'),
      name: 'h1',
      token: joinTokenText({ ...token, nodes: [intruder.address] }),
      signal: over.signal,
      onFailure: assert.ifError,
    });
    const refused = assert.rejects(joining, { code: 'unavailable', message: /its authority is not the one that the token names/ });
    await Promise.race([refused, new Promise((resolve) => setTimeout(resolve, 500))]);
    over.abort();
    await refused;
    assert.ok(!isReached);
  });

  test('a request that its own key did not sign, or of another kind of key, gets no certificate', async (t) => {
    const cluster = await LinkedCluster.create(t, server);
    const { links } = await cluster.node('a');
    const { id, secret } = parseJoinToken(await cluster.token(links));
    await import('reflect-metadata');
    const x509 = await import('@peculiar/x509');
    const rsa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: new Uint8Array([1, 0, 1]), modulusLength: 2048 };
    const keys = await crypto.subtle.generateKey(rsa, true, ['sign', 'verify']);
    const request = await x509.Pkcs10CertificateRequestGenerator.create({ signingAlgorithm: rsa, keys });
    const ec = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
    const [one, two] = [
      await crypto.subtle.generateKey(ec, true, ['sign', 'verify']),
      await crypto.subtle.generateKey(ec, true, ['sign', 'verify']),
    ];
    const stolen = await x509.Pkcs10CertificateRequestGenerator.create({
      signingAlgorithm: ec,
      keys: { publicKey: one.publicKey, privateKey: two.privateKey },
    });
    for (const each of [request, stolen]) {
      const answer = await requestWithout(links, { kind: 'join', id, secret, name: 'h1', request: each.toString('pem') });
      assert.equal(answer.code, 'invalid_request');
    }
    assert.equal((await links.tokens.list())[0]?.uses, 0);
  });
});
