/** The Selection page in a browser: which of four evaluated models should serve, the proof, and what a threshold does. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import type { EndpointBody, EvaluationBody } from '../../src/api/index.ts';
import { until } from '../end-to-end/poll.ts';
import { Console, noBrowser } from './browser.ts';

const names = ['digits_logreg', 'digits_mlp', 'digits_rf', 'digits_cnn'];
const groups = names.map((name) => name.replace('_', '-'));

describe('a selection in the console', { skip: noBrowser }, () => {
  let made: Console;
  before(async () => {
    made = await Console.start();
  });
  after(() => made?.end());

  test('says how to evaluate while no model was evaluated', async () => {
    const result = await made.open('/selection');
    await result.page.getByRole('heading', { name: 'No model was evaluated yet' }).waitFor();
    await result.page.getByText(/penstock evaluate MODEL MODEL/).waitFor();
    result.assertQuiet();
  });

  test('chooses the cheapest plan that is proven, shows all plans with intervals, and moves a threshold', async () => {
    const { server } = made;
    for (const [i, group] of groups.entries()) await server.approve(await server.register(group, names[i] as string));
    const digits = readFileSync(join(import.meta.dirname, '../../assets/catalogue/digits_test.csv'), 'utf8');
    const url = `${server.url}/api/v1/evaluation-sets/holdout?label=label`;
    await fetch(url, { method: 'PUT', headers: { 'content-type': 'text/csv' }, body: digits });
    const { id } = await server.callWell<EvaluationBody>('POST', '/evaluations', { set: 'holdout', models: groups });
    await until('the evaluation is over', async () => {
      return (await server.callWell<EvaluationBody>('GET', `/evaluations/${id}`)).state === 'Completed';
    });
    const result = await made.open('/selection');
    const { page } = result;
    await page.getByRole('textbox', { name: 'Accuracy of at least, %' }).fill('97');
    await page.getByRole('textbox', { name: 'Latency in ms' }).fill('1000');
    await page.getByRole('button', { name: 'Choose' }).click();
    await page.getByRole('heading', { name: 'Certified', exact: true }).waitFor();
    await page.getByText(/Certified for accuracy >= 0\.97 at 95 % \(1 error in 450 rows\)/).waitFor();
    await page.getByRole('img', { name: /^Accuracy against cost of \d+ plans\./ }).waitFor();
    assert(new URL(page.url()).searchParams.get('floor') === '0.97');
    await page
      .getByRole('cell', { name: /not certified: 10 errors in 450 rows/ })
      .first()
      .waitFor();
    await page.getByRole('slider', { name: 'Threshold' }).press('Home');
    await page.getByText('0.00001', { exact: true }).first().waitFor();
    // The price of another accuracy, without a request to the server.
    await page.getByRole('heading', { name: 'Price of an accuracy' }).waitFor();
    await page.getByRole('slider', { name: 'Accuracy to keep' }).press('Home');
    await page.getByRole('button', { name: /^Choose for 94\./ }).waitFor();
    await page.getByRole('button', { name: /^Back to 97/ }).click();
    await result.screenshot('selection');
    await result.assertAccessible();
    // The URL holds the request.
    await page.reload();
    await page.getByRole('heading', { name: 'Certified', exact: true }).waitFor();
    result.assertQuiet();
    const { pathname, search } = new URL(page.url());
    for (const view of [
      { scheme: 'dark', width: 1400 },
      { scheme: 'light', width: 390 },
      { scheme: 'dark', width: 390 },
    ] as const) {
      const other = await made.open(pathname + search, view);
      await other.page.getByRole('img', { name: /^Accuracy against cost/ }).waitFor();
      await other.assertNoSidewaysScroll();
      assert.deepEqual(await overlapping(other.page), [], `names in the plot at ${view.width} px`);
      await other.screenshot(`selection-${view.scheme}-${view.width}`);
      other.assertQuiet();
    }
  });

  test('is offered where one of the models is about to be deployed, and serves from the page', async () => {
    const offered = await made.open('/deploy?model=digits-mlp%2F1');
    await offered.page.getByText('Let Penstock select the model.').waitFor();
    await offered.page.getByRole('button', { name: 'Select among 4' }).click();
    await offered.page.getByRole('img', { name: /^Accuracy against cost/ }).waitFor();
    await offered.page.getByRole('slider', { name: 'Accuracy to keep' }).press('ArrowRight');
    await offered.screenshot('deploy-selection-offer');
    await offered.page.getByRole('link', { name: 'Select for 95.1 %' }).click();
    await offered.page.getByRole('heading', { name: 'Serve it' }).waitFor();
    const { pathname, search } = new URL(offered.page.url());
    offered.assertQuiet();
    const ask = new URLSearchParams(search);
    ask.set('objective', 'p95<=60000ms');
    const result = await made.open(`${pathname}?${ask.toString()}`);
    await result.page.getByRole('textbox', { name: 'Endpoint' }).fill('chosen');
    await result.page.getByRole('button', { name: 'Let Penstock select' }).click();
    await result.page.getByText(/^chosen is (in service|being created)\.$/).waitFor();
    await result.screenshot('selection-served');
    await result.assertAccessible();
    result.assertQuiet();
    const { selection } = await made.server.callWell<EndpointBody>('GET', '/endpoints/chosen');
    assert.equal(selection?.state, 'certified');
    for (const path of ['/deploy?model=digits-mlp%2F1', pathname + search]) {
      const narrow = await made.open(path, { scheme: 'light', width: 390 });
      await narrow.page.getByText(path.startsWith('/deploy') ? 'Let Penstock select the model.' : 'Serve it').waitFor();
      if (path.startsWith('/deploy')) {
        await narrow.page.getByRole('button', { name: 'Select among 4' }).click();
        await narrow.page.getByRole('heading', { name: 'Price of an accuracy' }).waitFor();
      }
      await narrow.assertNoSidewaysScroll();
      await narrow.screenshot(path.startsWith('/deploy') ? 'deploy-selection-offer-390' : 'selection-serve-390');
      narrow.assertQuiet();
    }
  });

  test('shows the decision of an endpoint that serves a selection, with its alternatives', async () => {
    const selection = { candidates: groups, reference: 'digits-mlp', evaluation: 'holdout', floor: 0.97 };
    await made.server.callWell('POST', '/endpoints', { name: 'picked', objective: 'p95<=60s', selection, capture: {}, variants: [{}] });
    for (const view of [
      { scheme: 'light', width: 1400 },
      { scheme: 'dark', width: 1400 },
      { scheme: 'light', width: 390 },
      { scheme: 'dark', width: 390 },
    ] as const) {
      const result = await made.open('/endpoints/picked?tab=decisions', view);
      await result.page.getByRole('button', { name: 'Answered by digits-cnn/1' }).waitFor();
      await result.page.getByText(/Certified for accuracy >= 0\.97 at 95 %/).waitFor();
      const mlp = result.page.getByRole('row').filter({ has: result.page.getByRole('rowheader', { name: 'digits-mlp/1', exact: true }) });
      assert.match((await mlp.textContent()) ?? '', /97\.78 %/);
      await result.assertNoSidewaysScroll();
      await result.screenshot(`selection-decision-${view.scheme}-${view.width}`);
      await result.assertAccessible();
      result.assertQuiet();
    }
  });

  test('shows which plan of an endpoint answered, with the errors over time and what the floor allows', async () => {
    const digits = readFileSync(join(import.meta.dirname, '../../assets/catalogue/digits_test.csv'), 'utf8')
      .trim()
      .split('\n')
      .slice(1);
    const rows = digits.map((line) => line.split(',').map(Number));
    const picked = async () => (await made.server.callWell<EndpointBody>('GET', '/endpoints/picked')).selection;
    /** Answers rows, and labels them. */
    const answerAndLabel = async (from: number, to: number): Promise<void> => {
      const part = rows.slice(from, to);
      const inputs = [{ name: 'pixels', datatype: 'FP32', shape: [part.length, 64], data: part.map((row) => row.slice(0, 64)) }];
      const headers = { 'content-type': 'application/json', 'x-penstock-inference-id': `rows-${from}` };
      const answer = await fetch(`${made.server.url}/v2/models/picked/infer`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ inputs }),
      });
      assert.equal(answer.status, 200, await answer.text());
      const label = part.map((row) => row[64]);
      // A call is captured after its answer was sent.
      await until('the call can be labelled', async () => {
        const labels = await fetch(`${made.server.url}/api/v1/endpoints/picked/labels`, {
          method: 'POST',
          headers: { 'content-type': 'application/jsonlines' },
          body: JSON.stringify({ inference_id: `rows-${from}`, label }),
        });
        assert.equal(labels.status, 200);
        return ((await labels.json()) as { matched: number }).matched === 1;
      });
    };
    // The interval gets narrower with the next check.
    for (let from = 0; from < rows.length; from += 32) {
      const to = Math.min(from + 32, rows.length);
      await answerAndLabel(from, to);
      if (from === 0 || to === rows.length) await until('the labels are counted', async () => (await picked())?.labelled?.rows === to);
    }
    for (const view of [
      { scheme: 'light', width: 1400 },
      { scheme: 'dark', width: 390 },
    ] as const) {
      const result = await made.open('/endpoints/picked?tab=selection', view);
      await result.page.getByRole('heading', { name: 'Ladder' }).waitFor();
      await result.page.getByRole('heading', { name: 'Errors', exact: true }).waitFor();
      if (view.width > 600) await result.page.getByRole('cell', { name: '0.9978 of 450' }).waitFor();
      await result.page.getByText(/Answered: digits-cnn\/1 450 rows/).waitFor();
      await result.assertNoSidewaysScroll();
      await result.screenshot(`endpoint-selection-${view.scheme}-${view.width}`);
      await result.assertAccessible();
      result.assertQuiet();
    }
  });

  test('has a card for each model: what was measured of it, in classes and calibration, and where it serves', async () => {
    for (const view of [
      { scheme: 'light', width: 1400 },
      { scheme: 'dark', width: 1400 },
      { scheme: 'light', width: 390 },
    ] as const) {
      const result = await made.open('/models/digits-cnn?tab=card', view);
      await result.page.getByRole('tab', { name: 'Model card', selected: true }).waitFor();
      await result.page
        .getByText(/0\.9978|99\.78/)
        .first()
        .waitFor();
      // It is loaded by the selections, whose clients see the signature of another one.
      await result.page.getByRole('link', { name: 'picked' }).waitFor();
      await result.assertNoSidewaysScroll();
      await result.screenshot(`model-card-${view.scheme}-${view.width}`);
      await result.assertAccessible();
      result.assertQuiet();
    }
  });

  test('says how many rows a proof would need', async () => {
    const models = groups.map((group) => `${group}/1`).join();
    const result = await made.open(`/selection?set=holdout&models=${models}&floor=0.99&objective=p95<=1000ms&rate=100`);
    await result.page.getByRole('heading', { name: 'Not certified', exact: true }).waitFor();
    await result.page.getByText(/about [\d,]+ rows are needed/).waitFor();
    result.assertQuiet();
  });
});

/** Pairs of names in the plot of plans that cover each other. */
function overlapping(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(`(() => {
    const boxes = [...document.querySelectorAll('.point-name')].map((each) => [each.textContent, each.getBoundingClientRect()]);
    const meet = (a, b) => a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom;
    return boxes.flatMap(([name, box], i) =>
      boxes.slice(i + 1).flatMap(([other, its]) => (meet(box, its) ? [name + ' and ' + other] : [])));
  })()`);
}
