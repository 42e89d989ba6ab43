/** The deploy page in a browser: objective slider, plan, stages; by mouse, by keyboard, and with a role that cannot deploy. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../end-to-end/poll.ts';
import { Console, noBrowser } from './browser.ts';

// Service times are measured on this machine, which may be busy, so the objectives are loose.
describe('deploying in the console', { skip: noBrowser }, () => {
  let made: Console;
  before(async () => {
    made = await Console.start();
  });
  after(() => made?.end());

  test('offers a catalogue model on an empty platform, registered and approved with one button', async () => {
    const result = await made.open('/deploy');
    const { page } = result;
    await page.getByText('No version is approved yet').waitFor();
    await result.assertAccessible();
    await result.screenshot('deploy-empty');
    await page.getByRole('link', { name: 'Start with digits' }).click();
    await page.getByRole('button', { name: 'Register digits-mlp' }).click();
    await page.getByText('pixels f32[N,64] → label i64[N], probabilities f32[N,10].').waitFor();
    await page.getByRole('heading', { name: 'Plan' }).waitFor();
    // Functions are compared by default, so the price follows the slider.
    assert(await page.getByRole('checkbox', { name: 'Functions' }).isChecked());
    await page.getByText(/^[2-9] settings compared/).waitFor();
    result.assertQuiet();
  });

  test('updates the plan with objective and traffic, and stores both in the URL', async () => {
    const result = await made.open('/deploy?model=digits-mlp/1&ms=5000');
    const { page } = result;
    const promise = page.getByRole('slider', { name: 'Latency objective' });
    await page.getByRole('img', { name: /^Cost by objective: from \$/ }).waitFor();
    await page.getByRole('img', { name: /^Predicted latency: p50 .* within p95 ≤ 5 s\.$/ }).waitFor();
    await page
      .getByRole('table', { name: 'Alternatives to the plan' })
      .getByRole('row', { name: /\(chosen\)/ })
      .waitFor();
    await promise.press('PageDown');
    await page.waitForURL((url) => url.search.includes('ms=') && !url.search.includes('ms=5000'));
    const chosenMs = new URL(page.url()).searchParams.get('ms') ?? '';
    assert(Number(chosenMs) < 5000);
    await until('the slider has a text value', async () => {
      const spoken = (await promise.getAttribute('aria-valuetext')) ?? '';
      return spoken.startsWith(`p95 at most ${chosenMs} ms, `);
    });
    await page.getByText('p99', { exact: true }).first().click();
    await page.waitForURL(/p=99/);
    await page.getByText('objective 99 %').waitFor();
    const price = async (): Promise<string> => (await page.getByRole('button', { name: /^Deploy for \$/ }).textContent()) ?? '';
    // With instances, the price depends on the traffic only if one is not enough, which depends on the machine.
    await page.getByRole('checkbox', { name: 'Functions' }).check();
    await page.getByRole('checkbox', { name: 'Instances' }).uncheck();
    await page.getByText('Functions only', { exact: true }).waitFor();
    const before = await price();
    await page.getByRole('checkbox', { name: 'Instances' }).check();
    await page.getByRole('slider', { name: 'Average rate' }).press('End');
    await page.waitForURL(/rate=10000/);
    await until('the price changes with the traffic', async () => (await price()) !== before);
    await page.getByRole('button', { name: /^Deploy for \$/, disabled: false }).waitFor();
    await page.reload();
    await page.getByText('10,000').first().waitFor();
    result.assertQuiet();
  });

  test('reports an objective that cannot be met and offers the nearest possible one', async () => {
    const result = await made.open('/deploy?model=digits-mlp/1&ms=0.1');
    const { page } = result;
    await page.getByText(/^No setting meets p95 ≤ 0\.1 ms\.$/).waitFor();
    assert(await page.getByRole('button', { name: 'Deploy', exact: true }).isDisabled());
    await result.assertAccessible();
    await result.screenshot('deploy-infeasible');
    await page.getByRole('button', { name: /^Change the objective to/ }).click();
    await page.getByRole('button', { name: /^Deploy for \$/, disabled: false }).waitFor();
    result.assertQuiet();
  });

  test('plans only with allowed executors and within the cost limit', async () => {
    const result = await made.open('/deploy?model=digits-mlp/1&functions=no&ms=5000');
    const { page } = result;
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
    result.assertQuiet();
  });

  test('works by keyboard alone: version, objective, deploy button, stages', async () => {
    const result = await made.open('/deploy?model=digits-mlp/1&functions=no&ms=5000');
    const { page } = result;
    await page.getByRole('button', { name: /^Deploy for \$/, disabled: false }).waitFor();
    await page.locator('main').focus();
    const tabTo = async (name: RegExp): Promise<void> => {
      for (let presses = 0; presses < 40; presses++) {
        await page.keyboard.press('Tab');
        const label = await page.evaluate<string>(
          `(() => { const at = document.activeElement; return at.getAttribute('aria-label') ?? at.labels?.[0]?.textContent ?? at.textContent; })()`,
        );
        if (name.test(label)) return;
      }
      assert.fail(`no tab stop matches ${String(name)}`);
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
    result.assertQuiet();
  });

  test('shows each stage and deploys what was planned', async () => {
    const result = await made.open('/deploy?model=digits-mlp/1&ms=5000&rate=10&name=digits&functions=no');
    const { page } = result;
    await page.getByRole('button', { name: /^Deploy for \$0\.043 per hour$/, disabled: false }).click();
    const stages = page.getByRole('status', { name: 'Deploying digits' });
    await stages.getByText('Open for traffic').waitFor();
    await page.getByRole('heading', { name: 'digits is in service' }).waitFor();
    await stages.getByText(/^Load the model, pass a probe: 1 of 1 ready/).waitFor();
    await result.assertAccessible();
    await result.screenshot('deploy-stages');
    const { objective, variants, late } = await made.server.endpoint('digits');
    assert.deepEqual([objective, late, variants[0]?.model, variants[0]?.scaling?.policy], ['p95<=5s', 'serve', 'digits-mlp/1', 'economic']);
    await page.getByRole('button', { name: 'Deploy another' }).click();
    assert.equal(await page.getByLabel('Endpoint name').inputValue(), 'digits-mlp');
    result.assertQuiet();
  });

  test('does not deploy under a name that is taken', async () => {
    const result = await made.open('/deploy?model=digits-mlp/1&name=digits&ms=5000');
    await result.page.getByText('An endpoint digits already exists.').waitFor();
    await result.page.getByRole('button', { name: /^Deploy for \$/, disabled: true }).waitFor();
    result.assertQuiet();
  });

  for (const scheme of ['light', 'dark'] as const) {
    test(`is accessible, ${scheme}`, async () => {
      const result = await made.open('/deploy?model=digits-mlp/1&ms=5000&rate=100', { scheme });
      await result.page.getByRole('img', { name: /^Cost by objective/ }).waitFor();
      await result.page.getByRole('img', { name: /^Predicted latency/ }).waitFor();
      await result.page.getByRole('button', { name: /^Deploy for \$/, disabled: false }).waitFor();
      await result.assertAccessible();
      await result.screenshot(`deploy-${scheme}`);
      result.assertQuiet();
    });
  }

  test('fits a screen of 390 px, with the button at the bottom', async () => {
    const result = await made.open('/deploy?model=digits-mlp/1&ms=5000&rate=100', { width: 390, height: 844 });
    const button = result.page.getByRole('button', { name: /^Deploy for \$/, disabled: false });
    await button.waitFor();
    await result.assertNoSidewaysScroll();
    await result.assertAccessible();
    await result.page.evaluate('window.scrollTo(0, document.body.scrollHeight)');
    assert(await button.isVisible());
    await result.screenshot('deploy-390');
    result.assertQuiet();
  });

  test('shows a viewer models and endpoints, but no action that would be rejected', async () => {
    const key = await made.server.callWell<{ id: string; secret: string }>('POST', '/keys', { role: 'viewer' });
    const result = await made.open('/models');
    const { page } = result;
    const status = await page.evaluate<number>(
      `fetch('/api/v1/session', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ key: '${key.id}:${key.secret}' }) }).then(({ status }) => status)`,
    );
    assert(status < 300, String(status));
    await result.goTo('/models');
    await page.getByText(/, viewer$/).waitFor();
    await page.getByRole('link', { name: 'digits-mlp', exact: true }).waitFor();
    for (const name of [/^Upload/, /^Deploy/, /^Register/, /^Choose file/])
      assert.equal(await page.getByRole('button', { name }).count(), 0, String(name));
    await result.goTo('/models/digits-mlp');
    await page.getByRole('heading', { name: 'digits-mlp/1' }).waitFor();
    for (const name of [/^Approve/, /^Reject/, /^Upload/, /^More about/])
      assert.equal(await page.getByRole('button', { name }).count(), 0, String(name));
    await result.assertAccessible();
    await result.goTo('/deploy');
    await page.getByText('Your role cannot deploy').waitFor();
    assert.equal(await page.getByRole('slider').count(), 0);
    result.assertQuiet();
  });
});
