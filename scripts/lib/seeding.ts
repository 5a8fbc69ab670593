/** Imports the skills of `examples/skills` into a service. */
import { z } from "zod";
import { IMPORT_OUTCOMES } from "../../workers/skills/bundle-service.ts";
import { nextPatch } from "../../workers/skills/semver.ts";
import { type Api, CallRefused } from "./api.ts";
import { packSkill, skillFolders } from "./skill-folders.ts";

const importedSchema = z.object({
  outcome: z.enum(IMPORT_OUTCOMES),
  skill: z.object({ slug: z.string(), version: z.string(), description: z.string().nullable() }),
});

const skillSchema = z.object({ latest_version: z.string() });
const CONFLICT = 409;

export interface Seeded {
  readonly slug: string;
  readonly version: string;
  readonly description: string;
  readonly outcome: z.output<typeof importedSchema>["outcome"];
}

/** One after the other; `project` is null for the key's own. A skill that is there as it is stays. */
export async function seedSkills(
  api: Api,
  project: string | null,
  slugs: readonly string[] | null = null,
): Promise<Seeded[]> {
  const query = project === null ? "" : `?${new URLSearchParams({ project_id: project })}`;
  const seeded: Seeded[] = [];
  for (const slug of slugs ?? (await skillFolders())) {
    const { outcome, skill } = await importSkill(api, slug, query);
    seeded.push({ ...skill, description: skill.description ?? "", outcome });
  }
  return seeded;
}

/** What differs under a version that is known, such as by another release of a package, is its next patch. */
async function importSkill(api: Api, slug: string, query: string) {
  const send = async (version: string | null) => {
    const response = await api.call("POST", `/skills/import${query}`, {
      bytes: await packSkill(slug, version),
      headers: { "content-type": "application/octet-stream" },
    });
    return importedSchema.parse(await response.json());
  };
  try {
    return await send(null);
  } catch (error) {
    if (!(error instanceof CallRefused) || error.status !== CONFLICT) throw error;
    const response = await api.call("GET", `/skills/${slug}${query}`);
    const { latest_version } = skillSchema.parse(await response.json());
    return send(nextPatch(latest_version));
  }
}
