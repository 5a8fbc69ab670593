/**
 * The order of test files where vitest has no times of an earlier run, as after a fresh clone: what
 * takes longest begins first, so that nothing runs alone at the end.
 */
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take more than ten seconds, whatever their size. */
const LONG = /(crash|poison|demo|supervisor|start|cancel)\.e2e\.test|dagger\/\w+\.test|properties/;

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    // Stable, and the lanes stay one after the other.
    const lanes = [...new Set(sorted.map(({ project }) => project))];
    return lanes.flatMap((lane) => {
      const all = sorted.filter(({ project }) => project === lane);
      const isLong = ({ moduleId }: TestSpecification) => LONG.test(moduleId);
      return [...all.filter(isLong), ...all.filter((file) => !isLong(file))];
    });
  }
}
