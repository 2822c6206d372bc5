#!/usr/bin/env node
/**
 * Prints `N passed, N failed` of a JSON report of vitest. A file that could not be loaded counts as one failure, and
 * so does a report that is not there. Ends with 1 unless something passed and nothing failed.
 */
import {readFileSync} from 'node:fs';

const {passed, failed, skipped} = count(process.argv[2]);
if (skipped > 0) console.log(`not run: ${skipped}`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(passed > 0 && failed === 0 ? 0 : 1);

function count(path) {
  let report;
  try {
    report = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    console.log(`The tests left no report: ${error.message}`);
    return {passed: 0, failed: 1, skipped: 0};
  }
  const unloaded = report.testResults.filter(
    ({status, assertionResults}) =>
      status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
  );
  for (const {name, message} of unloaded)
    console.log(`failed as a whole: ${name}: ${message.split('\n')[0]}`);
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unloaded.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}
