/** Deploy in a browser: a promise on a slider, the plan beside it, the way into service; by mouse, by keys alone, and by a role that may not. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../end-to-end/poll.ts';
import { Console, noBrowser } from './browser.ts';

// Service times are those of this machine, however busy it is: promises are loose, so that they can be kept.
describe('deploying in the console', { skip: noBrowser }, () => {
  let made: Console;
  before(async () => {
    made = await Console.start();
  });
  after(() => made?.end());

  test('an empty platform leads to a model that is ready, registered and approved with one button', async () => {
    const look = await made.open('/deploy');
    const { page } = look;
    await page.getByText('No version is approved yet').waitFor();
    await look.assertAccessible();
    await look.screenshot('deploy-empty');
    await page.getByRole('link', { name: 'Start with digits' }).click();
    await page.getByRole('button', { name: 'Register digits-mlp' }).click();
    await page.getByText('pixels f32[N,64] → label i64[N], probabilities f32[N,10].').waitFor();
    await page.getByRole('heading', { name: 'Plan' }).waitFor();
    look.assertQuiet();
  });

  test('the plan follows the promise and the traffic, and stands in the address', async () => {
    const look = await made.open('/deploy?model=digits-mlp/1&ms=5000');
    const { page } = look;
    const promise = page.getByRole('slider', { name: 'Latency objective' });
    await page.getByRole('img', { name: /^Cost of a promise: from \$/ }).waitFor();
    await page.getByRole('img', { name: /^Predicted latency: p50 .* within p95 ≤ 5 s\.$/ }).waitFor();
    await page
      .getByRole('table', { name: 'What the plan was chosen from' })
      .getByRole('row', { name: /\(chosen\)/ })
      .waitFor();
    await promise.press('PageDown');
    await page.waitForURL((url) => url.search.includes('ms=') && !url.search.includes('ms=5000'));
    const chosenMs = new URL(page.url()).searchParams.get('ms') ?? '';
    assert(Number(chosenMs) < 5000);
    await until('the slider says what it means', async () => {
      const said = (await promise.getAttribute('aria-valuetext')) ?? '';
      return said.startsWith(`p95 at most ${chosenMs} ms, `);
    });
    await page.getByText('p99', { exact: true }).first().click();
    await page.waitForURL(/p=99/);
    await page.getByText('promised 99 %').waitFor();
    const price = async (): Promise<string> => (await page.getByRole('button', { name: /^Deploy for \$/ }).textContent()) ?? '';
    // What instances cost follows it only where one is too few, which depends on the machine.
    await page.getByRole('checkbox', { name: 'Functions' }).check();
    await page.getByRole('checkbox', { name: 'Instances' }).uncheck();
    await page.getByText('Functions only', { exact: true }).waitFor();
    const before = await price();
    await page.getByRole('checkbox', { name: 'Instances' }).check();
    await page.getByRole('slider', { name: 'Average rate' }).press('End');
    await page.waitForURL(/rate=10000/);
    await until('the price follows the traffic', async () => (await price()) !== before);
    await page.getByRole('button', { name: /^Deploy for \$/, disabled: false }).waitFor();
    await page.reload();
    await page.getByText('10,000').first().waitFor();
    look.assertQuiet();
  });

  test('a promise that cannot be kept says so, and offers the nearest that can', async () => {
    const look = await made.open('/deploy?model=digits-mlp/1&ms=0.1');
    const { page } = look;
    await page.getByText(/^No setting keeps p95 ≤ 0\.1 ms\.$/).waitFor();
    assert(await page.getByRole('button', { name: 'Deploy', exact: true }).isDisabled());
    await look.assertAccessible();
    await look.screenshot('deploy-infeasible');
    await page.getByRole('button', { name: /^Move the promise to/ }).click();
    await page.getByRole('button', { name: /^Deploy for \$/, disabled: false }).waitFor();
    look.assertQuiet();
  });

  test('what is allowed decides what is planned', async () => {
    const look = await made.open('/deploy?model=digits-mlp/1&functions=no&ms=5000');
    const { page } = look;
    await page
      .getByText(/^1 instance, no functions$/)
      .first()
      .waitFor();
    await page.getByRole('checkbox', { name: 'Functions' }).check();
    await page.getByRole('checkbox', { name: 'Instances' }).uncheck();
    await page.getByText('Functions only', { exact: true }).waitFor();
    await page.getByRole('textbox', { name: 'At most' }).fill('0.00001');
    await page
      .getByText(/costs at least \$/i)
      .first()
      .waitFor();
    look.assertQuiet();
  });

  test('is done by keys alone: version, promise, the button with the price, the stages', async () => {
    const look = await made.open('/deploy?model=digits-mlp/1&functions=no&ms=5000');
    const { page } = look;
    await page.getByRole('button', { name: /^Deploy for \$/, disabled: false }).waitFor();
    await page.locator('main').focus();
    const tabTo = async (name: RegExp): Promise<void> => {
      for (let presses = 0; presses < 40; presses++) {
        await page.keyboard.press('Tab');
        const said = await page.evaluate<string>(
          `(() => { const at = document.activeElement; return at.getAttribute('aria-label') ?? at.labels?.[0]?.textContent ?? at.textContent; })()`,
        );
        if (name.test(said)) return;
      }
      assert.fail(`no stop at ${String(name)}`);
    };
    await tabTo(/^Endpoint name/);
    await page.keyboard.press('Control+a');
    await page.keyboard.type('by-keys');
    await tabTo(/^Model version/);
    await tabTo(/^Latency objective/);
    await page.keyboard.press('PageUp');
    await page.keyboard.press('ArrowLeft');
    await page.waitForURL((url) => url.searchParams.get('name') === 'by-keys' && url.searchParams.get('ms') !== '5000');
    await page.getByRole('button', { name: /^Deploy for \$/, disabled: false }).waitFor();
    await tabTo(/^Deploy for \$/);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'by-keys is in service' }).waitFor();
    await tabTo(/^Open by-keys/);
    await page.keyboard.press('Enter');
    await page.waitForURL('**/endpoints/by-keys');
    const endpoint = await made.server.endpoint('by-keys');
    assert.equal(endpoint.status, 'InService');
    look.assertQuiet();
  });

  test('tells each stage on the way, and what is deployed is what was planned', async () => {
    const look = await made.open('/deploy?model=digits-mlp/1&ms=5000&rate=10&name=digits&functions=no');
    const { page } = look;
    await page.getByRole('button', { name: /^Deploy for \$0\.043 per hour$/, disabled: false }).click();
    const stages = page.getByRole('status', { name: 'Deploying digits' });
    await stages.getByText('Open for traffic').waitFor();
    await page.getByRole('heading', { name: 'digits is in service' }).waitFor();
    await stages.getByText(/^Load the model, answer a probe: 1 of 1 ready/).waitFor();
    await look.assertAccessible();
    await look.screenshot('deploy-stages');
    const { objective, variants, late } = await made.server.endpoint('digits');
    assert.deepEqual([objective, late, variants[0]?.model, variants[0]?.scaling?.policy], ['p95<=5s', 'serve', 'digits-mlp/1', 'economic']);
    await page.getByRole('button', { name: 'Deploy another' }).click();
    assert.equal(await page.getByLabel('Endpoint name').inputValue(), 'digits-mlp');
    look.assertQuiet();
  });

  test('a name that is taken cannot be deployed', async () => {
    const look = await made.open('/deploy?model=digits-mlp/1&name=digits&ms=5000');
    await look.page.getByText('There is an endpoint digits already.').waitFor();
    await look.page.getByRole('button', { name: /^Deploy for \$/, disabled: true }).waitFor();
    look.assertQuiet();
  });

  for (const scheme of ['light', 'dark'] as const) {
    test(`looks right and is usable by everybody, ${scheme}`, async () => {
      const look = await made.open('/deploy?model=digits-mlp/1&ms=5000&rate=100', { scheme });
      await look.page.getByRole('img', { name: /^Cost of a promise/ }).waitFor();
      await look.page.getByRole('img', { name: /^Predicted latency/ }).waitFor();
      await look.page.getByRole('button', { name: /^Deploy for \$/, disabled: false }).waitFor();
      await look.assertAccessible();
      await look.screenshot(`deploy-${scheme}`);
      look.assertQuiet();
    });
  }

  test('fits a screen of 390 px, where the button stays at the bottom', async () => {
    const look = await made.open('/deploy?model=digits-mlp/1&ms=5000&rate=100', { width: 390, height: 844 });
    const button = look.page.getByRole('button', { name: /^Deploy for \$/, disabled: false });
    await button.waitFor();
    await look.assertNoSidewaysScroll();
    await look.assertAccessible();
    await look.page.evaluate('window.scrollTo(0, document.body.scrollHeight)');
    assert(await button.isVisible());
    await look.screenshot('deploy-390');
    look.assertQuiet();
  });

  test('a viewer sees models and endpoints, and no button that would be refused', async () => {
    const key = await made.server.callWell<{ id: string; secret: string }>('POST', '/keys', { role: 'viewer' });
    const look = await made.open('/models');
    const { page } = look;
    const status = await page.evaluate<number>(
      `fetch('/api/v1/session', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ key: '${key.id}:${key.secret}' }) }).then(({ status }) => status)`,
    );
    assert(status < 300, String(status));
    await look.go('/models');
    await page.getByText(/, viewer$/).waitFor();
    await page.getByRole('link', { name: 'digits-mlp', exact: true }).waitFor();
    for (const name of [/^Upload/, /^Deploy/, /^Register/, /^Choose file/])
      assert.equal(await page.getByRole('button', { name }).count(), 0, String(name));
    await look.go('/models/digits-mlp');
    await page.getByRole('heading', { name: 'digits-mlp/1' }).waitFor();
    for (const name of [/^Approve/, /^Reject/, /^Upload/, /^More about/])
      assert.equal(await page.getByRole('button', { name }).count(), 0, String(name));
    await look.assertAccessible();
    await look.go('/deploy');
    await page.getByText('Your role does not deploy').waitFor();
    assert.equal(await page.getByRole('slider').count(), 0);
    look.assertQuiet();
  });
});
