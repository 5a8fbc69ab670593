/** The tools that sessions have beside their skills, in the order in which they are offered. */
import { applyPatch } from "./apply-patch.ts";
import { askUser } from "./ask-user.ts";
import { describeSkill } from "./describe-skill.ts";
import { invokeSkill } from "./invoke-skill.ts";
import { listFiles } from "./list-files.ts";
import { listSkills } from "./list-skills.ts";
import { readFile } from "./read-file.ts";
import { runTask } from "./run-task.ts";
import { searchCode } from "./search-code.ts";
import { spawnAgent } from "./spawn-agent.ts";
import { startPipeline } from "./start-pipeline.ts";
import type { Tool } from "./tool.ts";
import { writeFile } from "./write-file.ts";

export const TOOLS: readonly Tool[] = [
  listSkills,
  describeSkill,
  invokeSkill,
  runTask,
  startPipeline,
  spawnAgent,
  searchCode,
  listFiles,
  readFile,
  writeFile,
  applyPatch,
  askUser,
];
