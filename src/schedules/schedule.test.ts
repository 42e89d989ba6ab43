import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PlatformError } from '../errors.ts';
import { momentOf, nextDueMs, parseSchedule, wallClockMs } from './schedule.ts';

const at = (text: string): number => Date.parse(`${text}Z`);
const text = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString().replace(/:00\.000Z$/, ''));

describe('a schedule is due', () => {
  for (const [schedule, zone, after, due] of [
    ['at(2026-03-01T08:00:00)', 'UTC', '2026-01-01T00:00', '2026-03-01T08:00'],
    ['at(2026-03-01T08:00:00)', 'UTC', '2026-03-01T08:00', null],
    ['at(2026-07-01T08:00)', 'Europe/Berlin', '2026-01-01T00:00', '2026-07-01T06:00'],
    ['rate(5 minutes)', 'UTC', '2026-01-01T00:03', '2026-01-01T00:05'],
    ['rate(1 hour)', 'UTC', '2026-01-01T01:00', '2026-01-01T02:00'],
    ['rate(1 day)', 'UTC', '2025-12-01T00:00', '2026-01-01T00:00'],
    ['cron(0 8 ? * MON-FRI *)', 'UTC', '2026-01-02T08:00', '2026-01-05T08:00'],
    ['cron(0 8 ? * MON-FRI *)', 'America/New_York', '2026-01-02T08:00', '2026-01-02T13:00'],
    ['cron(0/15 10-11 * * ? *)', 'UTC', '2026-01-01T10:46', '2026-01-01T11:00'],
    ['cron(30 23 L * ? *)', 'UTC', '2026-02-01T00:00', '2026-02-28T23:30'],
    ['cron(0 0 LW * ? *)', 'UTC', '2026-05-01T00:00', '2026-05-29T00:00'],
    ['cron(0 0 1W 8 ? *)', 'UTC', '2026-01-01T00:00', '2026-08-03T00:00'],
    ['cron(0 0 29 2 ? *)', 'UTC', '2026-01-01T00:00', '2028-02-29T00:00'],
    ['cron(0 12 ? * 2#1 *)', 'UTC', '2026-01-01T00:00', '2026-01-05T12:00'],
    ['cron(0 12 ? * 6L *)', 'UTC', '2026-01-01T00:00', '2026-01-30T12:00'],
    ['cron(0 12 ? * L *)', 'UTC', '2026-01-01T00:00', '2026-01-03T12:00'],
    ['cron(0 12 ? * FRI-MON *)', 'UTC', '2026-01-05T12:00', '2026-01-09T12:00'],
    ['cron(0 0 1 JAN ? 2030)', 'UTC', '2026-01-01T00:00', '2030-01-01T00:00'],
    ['cron(0 0 1 1 ? 2020)', 'UTC', '2026-01-01T00:00', null],
    ['cron(0 0 31 2 ? *)', 'UTC', '2026-01-01T00:00', null],
    ['cron(30 2 * * ? *)', 'Europe/Berlin', '2026-03-28T12:00', '2026-03-29T00:30'],
  ] as const) {
    test(`${schedule} in ${zone} after ${after}: ${due ?? 'never again'}`, () => {
      const dueMs = nextDueMs(parseSchedule(schedule, zone), at(after), at('2026-01-01T00:00'));
      if (schedule.startsWith('cron(30 2 '))
        assert.match(text(dueMs) ?? '', /^2026-03-29T0[01]:30$/); // the clock skips it
      else assert.equal(text(dueMs), due);
    });
  }
});

describe('rejects the schedule', () => {
  for (const [schedule, message] of [
    ['daily', /expected at\(yyyy-mm-ddThh:mm:ss\), rate/],
    ['at(2026-02-30T00:00:00)', /not a valid date and time/],
    ['rate(0 minutes)', /rate\(5 minutes\)/],
    ['rate(5 parsecs)', /rate\(5 minutes\)/],
    ['cron(0 8 * * *)', /expected six fields.*got 5/],
    ['cron(0 8 * * * *)', /exactly one of day of month/],
    ['cron(0 8 ? * ? *)', /exactly one of day of month/],
    ['cron(60 8 * * ? *)', /invalid minutes: expected 0 to 59.*got '60'/],
    ['cron(5-1 8 * * ? *)', /invalid minutes/],
    ['cron(0/0 8 * * ? *)', /invalid minutes/],
    ['cron(0 8 32 * ? *)', /day of month/],
    ['cron(0 8 ? * FUN *)', /expected 1 to 7 or SUN to SAT/],
    ['cron(0 8 ? * 2#6 *)', /day of week/],
    ['cron(0 8 * * ? 1969)', /year/],
  ] as const) {
    test(schedule, () => {
      assert.throws(
        () => parseSchedule(schedule),
        (error) => error instanceof PlatformError && message.test(error.message),
      );
    });
  }

  test('in an unknown time zone', () => {
    assert.throws(() => parseSchedule('rate(1 day)', 'Mars/Olympus'), /Mars\/Olympus' is unknown/);
  });

  test('of arbitrary bytes, in bounded time and with an invalid_request', () => {
    const soup = fc.string({ unit: fc.constantFrom(...'0159*?,-/LW# MONJAN()'.split('')), maxLength: 60 });
    fc.assert(
      fc.property(soup, fc.string({ maxLength: 20 }), (inner, zone) => {
        try {
          nextDueMs(parseSchedule(`cron(${inner})`, zone === '' ? 'UTC' : zone), 0, 0);
        } catch (error) {
          assert(error instanceof PlatformError, String(error));
        }
      }),
    );
  });
});

const someMoment = fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2035, 0, 1) });
const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'Pacific/Kiritimati');
const listed = (least: number, most: number) =>
  fc.uniqueArray(fc.integer({ min: least, max: most }), { minLength: 1, maxLength: 5 }).map((numbers) => numbers.join(','));
const days = fc.oneof(
  listed(1, 28).map((list) => [list, '?']),
  listed(1, 7).map((list) => ['?', list]),
  fc.constant(['*', '?']),
);

test('the next due time is later, matches the expression, and is the first that does', () => {
  fc.assert(
    fc.property(listed(0, 59), listed(0, 23), days, listed(1, 12), someMoment, (minutes, hours, [dom, dow], months, afterMs) => {
      const dueMs = nextDueMs(parseSchedule(`cron(${minutes} ${hours} ${dom} ${months} ${dow} *)`), afterMs, 0) as number;
      assert(dueMs > afterMs);
      const isNamed = (ms: number): boolean => {
        const date = new Date(ms);
        const is = (list: string | undefined, value: number): boolean =>
          list === '*' || list === '?' || list?.split(',').includes(String(value)) === true;
        const isDay = is(dom, date.getUTCDate()) && is(dow, date.getUTCDay() + 1);
        return isDay && is(minutes, date.getUTCMinutes()) && is(hours, date.getUTCHours()) && is(months, date.getUTCMonth() + 1);
      };
      assert(isNamed(dueMs));
      const fromMs = Math.max(afterMs + 60_000 - (afterMs % 60_000), dueMs - 2000 * 60_000);
      for (let ms = fromMs; ms < dueMs; ms += 60_000) assert(!isNamed(ms), text(ms) ?? '');
    }),
    { numRuns: 100 },
  );
});

test('converts between moments and wall clocks in both directions', () => {
  fc.assert(
    fc.property(someMoment, zones, (ms, zone) => {
      const wholeMs = ms - (ms % 60_000);
      const shown = wallClockMs(wholeMs, zone);
      const back = momentOf(shown, zone);
      assert.equal(wallClockMs(back, zone), shown); // either moment of a repeated hour
      assert(Math.abs(back - wholeMs) <= 3_600_000);
    }),
  );
});

test('a rate is due after each period since its start', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), someMoment, someMoment, (minutes, sinceMs, afterMs) => {
      const dueMs = nextDueMs(parseSchedule(`rate(${minutes} minutes)`), afterMs, sinceMs) as number;
      assert(dueMs > afterMs && dueMs >= sinceMs && (dueMs - sinceMs) % (minutes * 60_000) === 0);
      assert(afterMs < sinceMs ? dueMs === sinceMs : dueMs - afterMs <= minutes * 60_000);
    }),
  );
});
