import type {StageContext} from '../../../src/stages/stage.ts';

/** As much of a stage as following a program's output needs: it keeps what it was told. */
export class RecordedStage {
  readonly told: string[] = [];
  readonly lines: string[] = [];
  readonly log: StageContext['log'];

  constructor() {
    const lines = this.lines;
    this.log = {write: (line: string) => lines.push(line)} as unknown as StageContext['log'];
  }

  readonly progress = (message: string): void => {
    this.told.push(message);
  };
}
