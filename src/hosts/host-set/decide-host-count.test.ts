import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decideHostCount, drainingMsMax, type HostOfSet, type HostSetObservation, surplusMsMin } from './decide-host-count.ts';

const host = (ordinal: number, changes: Partial<HostOfSet> = {}): HostOfSet => {
  return { name: `h-${ordinal}`, ordinal, link: 'linked', wanted: 'ready', workers: 1, ...changes };
};

const observed = (changes: Partial<HostSetObservation> = {}): HostSetObservation => {
  const hosts = changes.hosts ?? 3;
  return {
    set: 'h',
    limits: { min: 1, max: 5 },
    hosts,
    wanted: { hosts: 3, reason: 'because' },
    others: 0,
    known: Array.from({ length: hosts }, (_, ordinal) => host(ordinal)),
    draining: null,
    drainingMs: 0,
    surplusMs: 0,
    ...changes,
  };
};
const wants = (hosts: number) => ({ wanted: { hosts, reason: 'because' } });
const surplus = { ...wants(2), surplusMs: surplusMsMin };
const emptied = (changes: Partial<HostOfSet> = {}) => [host(0), host(1), host(2, { wanted: 'draining', workers: 0, ...changes })];

describe('the number of hosts of a set', () => {
  for (const { when, changes, action, hosts, reason } of [
    { when: 'as many as wanted', changes: {}, action: 'keep', reason: '3 hosts wanted: because' },
    { when: 'too few', changes: wants(4), action: 'scale', hosts: 4, reason: '4 hosts wanted: because' },
    { when: 'more wanted than allowed', changes: wants(9), action: 'scale', hosts: 5, reason: '9 hosts wanted, of at most 5: because' },
    { when: 'fewer than allowed', changes: { hosts: 0, wanted: null }, action: 'scale', hosts: 1, reason: 'the set has at least 1 host' },
    {
      when: 'nothing known of what is wanted',
      changes: { wanted: null },
      action: 'keep',
      reason: 'it is not known yet how many hosts the workers need',
    },
    {
      when: 'others that are not in the set',
      changes: { ...wants(6), others: 2 },
      action: 'scale',
      hosts: 4,
      reason: '6 hosts wanted, 2 of them outside of the set: because',
    },
    {
      when: 'one that an operator keeps free',
      changes: { known: [host(0), host(1, { wanted: 'cordoned' }), host(2)] },
      action: 'scale',
      hosts: 4,
      reason: '3 hosts wanted: because',
    },
    {
      when: 'one too many for 9 min',
      changes: { ...surplus, surplusMs: 540_000 },
      action: 'keep',
      reason: '2 hosts wanted: because; a host ends after 10 min without need for it',
    },
    { when: 'one too many for 10 min', changes: surplus, action: 'drain', reason: '2 hosts wanted: because; h-2 is the highest' },
    {
      when: 'one too many that does not respond',
      changes: { ...surplus, known: [host(0), host(1), host(2, { link: 'away' })] },
      action: 'keep',
      reason: '2 hosts wanted: because; h-2 does not respond at the moment',
    },
    {
      when: 'one too many that never joined',
      changes: { ...surplus, known: [host(0), host(1)] },
      action: 'scale',
      hosts: 2,
      reason: '2 hosts wanted: because; h-2 has not joined the cluster',
    },
    {
      when: 'one too many that an operator has emptied',
      changes: { ...surplus, wanted: { hosts: 1, reason: 'because' }, known: emptied() },
      action: 'scale',
      hosts: 2,
      reason: '1 host wanted: because; h-2 has no workers',
    },
    {
      when: 'one too many whose workers an operator keeps there',
      changes: { ...surplus, wanted: { hosts: 1, reason: 'because' }, known: emptied({ wanted: 'cordoned', workers: 2 }) },
      action: 'keep',
      reason: '1 host wanted: because; an operator has h-2 cordoned, with 2 workers',
    },
    {
      when: 'one that is being emptied',
      changes: { ...surplus, draining: 2, known: emptied({ workers: 1 }) },
      action: 'keep',
      reason: '2 hosts wanted: because; h-2 drains, with 1 worker',
    },
    {
      when: 'one that has been emptied',
      changes: { ...surplus, draining: 2, known: emptied() },
      action: 'scale',
      hosts: 2,
      reason: '2 hosts wanted: because; h-2 has no workers',
    },
    {
      when: 'one that is needed again while it is emptied',
      changes: { draining: 2, known: emptied({ workers: 1 }) },
      action: 'restore',
      reason: '3 hosts wanted: because',
    },
    {
      when: 'one that cannot be emptied',
      changes: { ...surplus, draining: 2, known: emptied({ workers: 1 }), drainingMs: drainingMsMax + 1 },
      action: 'restore',
      reason: 'the workers of h-2 found no room on other hosts within 10 min',
    },
    {
      when: 'one that an operator wants back',
      changes: { ...surplus, draining: 2, known: emptied({ wanted: 'ready' }) },
      action: 'restore',
      reason: 'an operator uncordoned h-2',
    },
    {
      when: 'another number than before, set by an operator',
      changes: { ...surplus, hosts: 4, draining: 2, known: emptied() },
      action: 'restore',
      reason: 'the set was changed to 4 hosts, so h-2 is not the highest any more',
    },
    {
      when: 'one that ends',
      changes: { ...wants(2), hosts: 2, draining: 2, known: emptied() },
      action: 'keep',
      reason: '2 hosts wanted: because; h-2 is ending',
    },
    {
      when: 'one that has ended',
      changes: { ...wants(2), hosts: 2, draining: 2, known: emptied({ link: 'lost' }) },
      action: 'forget',
      reason: 'h-2 has ended',
    },
    {
      when: 'one that is needed again while it ends',
      changes: { ...wants(3), hosts: 2, draining: 2, known: emptied() },
      action: 'restore',
      reason: '3 hosts wanted: because; h-2 returns',
    },
  ] as const) {
    test(`with ${when}: ${action}${hosts === undefined ? '' : ` to ${hosts}`}`, () => {
      const decision = decideHostCount(observed(changes));
      assert.equal(decision.action, action);
      assert.equal('hosts' in decision ? decision.hosts : undefined, hosts);
      assert.equal(decision.reason, reason);
    });
  }

  const anyHost = fc.record({
    link: fc.constantFrom('linked', 'away', 'lost') as fc.Arbitrary<HostOfSet['link']>,
    wanted: fc.constantFrom('ready', 'cordoned', 'draining') as fc.Arbitrary<HostOfSet['wanted']>,
    workers: fc.nat(2),
    hasJoined: fc.boolean(),
  });
  const anyObservation = fc
    .record({
      all: fc.array(anyHost, { maxLength: 8 }),
      ended: fc.nat(2),
      min: fc.nat(3),
      above: fc.nat(5),
      wanted: fc.option(fc.nat(12)),
      others: fc.nat(3),
      draining: fc.option(fc.nat(8)),
      drainingMs: fc.nat(2 * drainingMsMax),
      surplusMs: fc.nat(2 * surplusMsMin),
    })
    .map(({ all, ended, min, above, wanted, ...rest }) => {
      const known = all.flatMap(({ hasJoined, ...each }, ordinal) => (hasJoined ? [host(ordinal, each)] : []));
      const limits = { min, max: min + above };
      return observed({
        ...rest,
        hosts: Math.max(0, all.length - ended),
        known,
        limits,
        wanted: wanted === null ? null : { hosts: wanted, reason: '' },
      });
    });

  test('shrinks by one host at a time, the highest, and only if it takes no workers, and none that respond have any', () => {
    fc.assert(
      fc.property(anyObservation, (given) => {
        const decision = decideHostCount(given);
        if (decision.action !== 'scale' || decision.hosts >= given.hosts) return;
        assert.equal(decision.hosts, given.hosts - 1);
        assert(decision.hosts >= given.limits.min, 'never below the minimum');
        const ending = given.known.find(({ ordinal }) => ordinal === decision.hosts);
        if (ending === undefined) return;
        assert.notEqual(ending.wanted, 'ready');
        assert(ending.link === 'lost' || (ending.link === 'linked' && ending.workers === 0));
      }),
    );
  });

  test('never grows beyond its maximum, nor beyond what is needed', () => {
    fc.assert(
      fc.property(anyObservation, (given) => {
        const decision = decideHostCount(given);
        if (decision.action !== 'scale' || decision.hosts <= given.hosts) return;
        assert(decision.hosts <= given.limits.max);
        assert(decision.hosts <= Math.max(given.limits.min, decision.needed ?? 0));
      }),
    );
  });

  test('empties only the highest host, one at a time', () => {
    fc.assert(
      fc.property(anyObservation, (given) => {
        const decision = decideHostCount(given);
        if (decision.action !== 'drain') return;
        assert.equal(decision.ordinal, given.hosts - 1);
        assert.equal(given.draining, null);
      }),
    );
  });

  test('comes to rest at the needed number, whatever was before, once hosts do as decided', () => {
    fc.assert(
      fc.property(anyObservation, (given) => {
        if (given.wanted === null) return;
        let [hosts, draining] = [given.hosts, null as number | null];
        for (let step = 0; step < 60; step++) {
          const known = Array.from({ length: hosts }, (_, ordinal) =>
            host(ordinal, draining === ordinal ? { wanted: 'draining', workers: 0 } : {}),
          );
          const decision = decideHostCount({ ...given, hosts, known, draining, drainingMs: 0, surplusMs: surplusMsMin });
          if (decision.action === 'keep') break;
          if (decision.action === 'scale') hosts = decision.hosts;
          else draining = decision.action === 'drain' ? decision.ordinal : null;
        }
        const needed = Math.max(0, given.wanted.hosts - given.others);
        assert.equal(hosts, Math.min(given.limits.max, Math.max(given.limits.min, needed)));
        assert.equal(draining, null);
      }),
    );
  });
});
