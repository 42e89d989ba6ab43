/** What a large cluster writes to PostgreSQL, on paper. One home serves, so no row of it counts what another one wrote. Pure. */

export interface WriteLoad {
  readonly what: string;
  readonly perSecond: number;
  /** The assumptions. */
  readonly from: string;
}

/** A decision that changes something: its row, the number of its event, the event. */
const writesPerDecision = 3;

export function postgresWrites(hosts: number, endpoints: number): readonly WriteLoad[] {
  const decisionsPerSecond = (endpoints / 60) * 0.3;
  return [
    { what: 'leases of 8 nodes', perSecond: 8 * 2.5, from: 'a renewal each 400 ms' },
    { what: `beats of ${hosts} hosts`, perSecond: 0, from: 'they stay on the links; a row changes when an operator changes a state' },
    {
      what: 'decisions of the scaling',
      perSecond: decisionsPerSecond * writesPerDecision,
      from: 'each endpoint decides once a minute, 30 % change something, 3 writes each',
    },
    {
      what: 'decisions of the placement',
      perSecond: decisionsPerSecond * writesPerDecision,
      from: 'each of these changes starts one instance; starts of functions are counted, not recorded',
    },
    {
      what: 'placement after a lost host',
      perSecond: (10 * writesPerDecision) / 60,
      from: 'one host with 10 instances each minute',
    },
    {
      what: 'series of metrics',
      perSecond: (endpoints / 10) * (4 / 10 + 4 / 60),
      from: 'a tenth of the endpoints has traffic: 4 groups, rows of 10 s and of 60 s',
    },
    { what: 'arrivals and costs', perSecond: (2 * endpoints) / 60, from: 'a row of each per endpoint and minute' },
  ];
}
