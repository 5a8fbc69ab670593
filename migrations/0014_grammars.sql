CREATE TABLE `grammars` (
	`id` text PRIMARY KEY NOT NULL,
	`project_id` text NOT NULL,
	`name` text NOT NULL,
	`traits` text NOT NULL,
	`version` text NOT NULL,
	`content` text NOT NULL,
	`wasm_bytes` integer NOT NULL,
	`revision` integer NOT NULL,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`deleted_at` integer,
	`untold_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `grammars_by_name` ON `grammars` (`project_id`,`name`);--> statement-breakpoint
CREATE INDEX `grammars_by_project` ON `grammars` (`project_id`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `grammars_by_age` ON `grammars` (`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `grammars_untold` ON `grammars` (`untold_at`) WHERE untold_at IS NOT NULL;