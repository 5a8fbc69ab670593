import { z } from "zod";
import { FIRST_PAGE, type Page } from "../../http/page.ts";
import { success } from "./results.ts";
import { ownSkill } from "./session-skills.ts";
import { defineTool, READS } from "./tool.ts";

const LISTED = 50;
const PAGE: Page = { ...FIRST_PAGE, limit: LISTED };
/** A list has an address that its cursors belong to; this one gives none out. */
const ADDRESS = "https://session/skills";

export const listSkills = defineTool({
  name: "list_skills",
  description: `Lists the enabled skills of the project, up to ${LISTED}, or those that all words of the query find. describe_skill tells what one takes, invoke_skill runs it.`,
  scopes: ["skills:read"],
  ...READS,
  input: z.strictObject({ query: z.string().max(500).optional().describe("Words to look for.") }),
  async run({ principal, project_id, setup, deps }, { query = "" }) {
    const words = query
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== "");
    const filter = { project_id, category: null, enabled: true, tags: [], words };
    const { body } = await deps.services.skills.list(principal, filter, PAGE, ADDRESS);
    const skills = body.items.map(({ slug, name, description, version, implementation_type }) => ({
      ...{ slug, name, description },
      version: ownSkill(setup, slug)?.version ?? version,
      runs: implementation_type !== null,
    }));
    const more = body.next_cursor !== null;
    return success({ skills, ...(more && { note: "There are more: name words to look for." }) });
  },
});
